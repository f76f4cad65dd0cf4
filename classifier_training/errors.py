"""What can go wrong while training: `TrainingError`, told to the user as one line like every `WorkerError`."""

import sys
from collections.abc import Callable
from pathlib import Path

from worker.errors import WorkerError


class TrainingError(WorkerError):
    """Data, settings, a run or a bundle that cannot be used; the message says which and what to do."""

    exit_code = 65


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file beside `path` and renames it over: on a full disk the old file stays and nothing half-written.

    Raises:
        TrainingError: it could not be written.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(content)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise TrainingError(f"{path} could not be written ({error.strerror}): free space or choose a folder") from error


def run_command(main: Callable[[], None]) -> None:
    """Runs a command of this package: its errors become one line and an exit code, not a traceback."""
    try:
        main()
    except WorkerError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        print(f"error: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        sys.exit(74)

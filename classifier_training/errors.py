"""What can go wrong while training: `TrainingError`, told to the user as one line like every `WorkerError`."""

import sys
from collections.abc import Callable

from worker.errors import WorkerError


class TrainingError(WorkerError):
    """Data, settings, a run or a bundle that cannot be used; the message says which and what to do."""

    exit_code = 65


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

"""What can go wrong in training, told to the user as one line."""

from __future__ import annotations

import sys
from collections.abc import Callable

from worker.errors import WorkerError


class DataError(WorkerError):
    """Labels or pictures cannot be used as they are."""

    exit_code = 65


class RunError(WorkerError):
    """A training run, its settings or its checkpoint cannot be used."""

    exit_code = 78


def run_command(main: Callable[[], None]) -> int:
    """Run a command; an expected error becomes one line on stderr and its exit code."""
    try:
        main()
    except WorkerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {error.strerror or error}: {error.filename or 'no file named'}", file=sys.stderr)
        return 74
    return 0

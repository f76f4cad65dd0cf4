"""`python -m worker` and `emotion-worker`: the command, or one line where only the consumer kit was installed."""

from __future__ import annotations

import sys

from worker.errors import BackendError


def main() -> None:
    """The entry point of both."""
    try:
        from worker.cli import main as command
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("worker"):
            raise
        print(f"error: the command needs the whole package, and {missing.name} is not installed (was it installed "
              "with --no-deps, for the consumer kit?): install it without that", file=sys.stderr)  # fmt: skip
        sys.exit(BackendError.exit_code)
    command()


if __name__ == "__main__":
    main()

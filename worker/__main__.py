"""`python -m worker` is `emotion-worker`."""

from worker.cli import main

main()

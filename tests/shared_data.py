"""Where the data that is not in the repository lies: `../shared` beside the checkout, or `EMOTION_SHARED`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("EMOTION_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"


def shared(path: str) -> Path:
    """The file or folder `path` of the shared data; the test is skipped where it is not there."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"needs {path} of the shared data (set EMOTION_SHARED to its folder)")
    return found

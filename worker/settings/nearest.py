"""The valid name that somebody probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """`; did you mean NAME?` or, where nothing is near, an empty text."""
    near = get_close_matches(name, list(valid), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""

"""What `analyze` reads: clips, photos and folders of photos, each once and each under a name of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from worker.errors import SettingsError
from worker.redact import redact
from worker.sources.options import is_live
from worker.sources.photos import photo_paths

_ID_LENGTH = 64 - 1 - 8 - 4


class Input(NamedTuple):
    """One clip or photo.

    Attributes:
        path: where it is.
        shown: what tables and reports call it: its name, or its path where another has the same name.
        mark: what files that belong to it are named after; no other input has the same.
    """

    path: Path
    shown: str
    mark: str


def inputs(given: Iterable[str]) -> list[Input]:
    """The clips and photos that are meant, in order; what is named twice is read once.

    Raises:
        SettingsError: an argument is no file or folder name.
        SourceError: a folder holds no photos.
    """
    paths = list({path.resolve(): path for argument in given for path in _paths(argument)}.values())
    names = Counter(path.name for path in paths)
    shown = [path.name if names[path.name] == 1 else str(path) for path in paths]
    return [Input(*parts) for parts in zip(paths, shown, _marks(paths), strict=True)]


def _paths(given: str) -> list[Path]:
    """A clip or photo as it is, a folder as its photos."""
    if not given:
        raise SettingsError("an empty argument is no file: name clips, photos, or folders of photos")
    if is_live(given) or re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", given):
        raise SettingsError(f"{redact(given)} is no file: analyze reads files; give cameras to `emotion-worker run`")
    clip = Path(given)
    return photo_paths(given) if clip.is_dir() else [clip]


def _marks(paths: Sequence[Path]) -> list[str]:
    """The shortest kind of name that tells all apart: without ending, with it, with the folder; else numbers."""
    kinds = [
        [path.stem for path in paths],
        [path.name for path in paths],
        [f"{path.resolve().parent.name}-{path.stem}" for path in paths],
        [f"{path.resolve().parent.name}-{path.name}" for path in paths],
    ]
    numbered = [f"{number}-{path.name}" for number, path in enumerate(paths, 1)]
    return next((names for names in kinds if len(set(names)) == len(names)), numbered)


class StreamIds:
    """Ids of the streams of one file of records: of two equal files with equal names the second gets a number."""

    def __init__(self) -> None:
        self._used: Counter[str] = Counter()

    def of(self, clip: Path, run: str) -> str:
        """A file's name, other characters become `_`; eight characters of the run's id tell equal names apart."""
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", clip.resolve().name)[:_ID_LENGTH]
        stream = f"{name}-{run[-8:].lower()}"
        self._used[stream] += 1
        return stream if self._used[stream] == 1 else f"{stream}-{self._used[stream]}"

"""What the API changed, on disk: so that it survives a restart. It holds addresses with their passwords (mode 0600)."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from worker.errors import SettingsError
from worker.settings import StreamSettings

_VERSION = 1


class StateFile:
    """Streams that were added or changed through the API, and ids of those that were removed.

    What it says wins over the settings file. Read once at start, written after each change by the main thread.
    """

    def __init__(self, path: Path | None) -> None:
        """
        Raises:
            SettingsError: it is there and cannot be read, or is no state of a worker.
        """
        self._path = path
        self.streams: dict[str, StreamSettings] = {}
        self.removed: set[str] = set()
        if path is not None and path.exists():
            self._load(path)

    @property
    def kept(self) -> bool:
        """Whether changes survive a restart."""
        return self._path is not None

    def over(self, settings: Iterable[StreamSettings]) -> list[StreamSettings]:
        """The streams of the settings file as the API left them, then those that it added."""
        known = {stream.id: stream for stream in settings if stream.id not in self.removed}
        return list((known | self.streams).values())

    def put(self, stream: StreamSettings) -> None:
        """Keep a stream that was added or changed.

        Raises:
            SettingsError: the file cannot be written; nothing is changed.
        """
        self._write(self.streams | {stream.id: stream}, self.removed - {stream.id})

    def drop(self, stream: str, in_settings: bool) -> None:
        """Keep that a stream was removed; only one of the settings file has to be remembered. Raises as `put`."""
        streams = {name: other for name, other in self.streams.items() if name != stream}
        self._write(streams, self.removed | {stream} if in_settings else self.removed)

    def _load(self, path: Path) -> None:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            known = content["version"] == _VERSION
            streams = [StreamSettings.model_validate(stream) for stream in content["streams"]]
            self.removed = set(map(str, content["removed"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _unreadable(path, type(error).__name__) from None  # its text may hold an address
        if not known:
            raise _unreadable(path, "another version wrote it")
        self.streams = {stream.id: stream for stream in streams}

    def _write(self, streams: Mapping[str, StreamSettings], removed: set[str]) -> None:
        if self._path is not None:
            content = {
                "version": _VERSION,
                "streams": [plain(stream) for stream in streams.values()],
                "removed": sorted(removed),
            }
            _replace(self._path, json.dumps(content, indent=1) + "\n")
        self.streams, self.removed = dict(streams), removed


def _unreadable(path: Path, why: str) -> SettingsError:
    return SettingsError(
        f"web.state_file: {path} cannot be read as the state of a worker ({why}): mend it, or move it away to start "
        "without what the API changed"
    )


def plain(stream: StreamSettings) -> dict[str, Any]:
    """What was given for this stream, its address unmasked."""
    given = stream.model_dump(mode="json", exclude_unset=True)
    if stream.url is not None:
        given["url"] = stream.url.get_secret_value()
    return given


def _replace(path: Path, text: str) -> None:
    """Write beside it, make it last, then rename: the old file or the new one, never a half."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)  # there only if something went wrong before the renaming
    except OSError as error:
        raise SettingsError(
            f"web.state_file: {path} cannot be written: {error.strerror}; the change was not made"
        ) from error

"""Streams added, changed and removed through the API, while the others run on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from worker.assembly.addresses import check_address
from worker.assembly.errands import Errands
from worker.assembly.state_file import StateFile, plain
from worker.assembly.streams import Streams
from worker.errors import SettingsError
from worker.settings import Settings, StreamSettings, WebSettings
from worker.web.answers import Refusal, place

_log = logging.getLogger(__name__)
_LET_GO_S = 5.0
MAX_STREAMS = 256


def opening_streams(settings: Settings) -> list[StreamSettings]:
    """The streams to start with: those of the settings file as the API left them, and those that it added.

    Raises:
        SettingsError: the state file cannot be read, or one of its streams cannot be opened any more.
    """
    state = _state_of(settings.web)
    streams = state.over(settings.own_streams)
    for stream in streams:
        stream.check()
    if state.streams or state.removed:
        _log.info(
            "web.state_file: the API had added or changed %s and removed %s",
            ", ".join(sorted(state.streams)) or "no stream",
            ", ".join(sorted(state.removed)) or "none",
        )
    return streams


def _state_of(settings: WebSettings) -> StateFile:
    return StateFile(settings.state_file)


class StreamChanges:
    """The streams desk. Its methods may be called from any thread; changes are made by the main thread, one by one."""

    def __init__(self, settings: Settings, streams: Streams, errands: Errands) -> None:
        self._settings = settings
        self._streams = streams
        self._errands = errands
        self._state = _state_of(settings.web)
        self._from_file = {stream.id for stream in settings.own_streams}

    def all(self) -> list[dict[str, Any]]:
        """Every stream, masked."""
        return [self._shown(stream) for stream in self._streams.settings()]

    def one(self, name: str) -> dict[str, Any]:
        """One stream, masked.

        Raises:
            Refusal: 404.
        """
        return self._shown(self._known(name))

    def add(self, given: Mapping[str, Any], dry_run: bool) -> dict[str, Any]:
        """Take a stream in.

        Raises:
            Refusal: 409 the id is taken or there are too many, 422 it cannot be opened.
        """
        stream = self._checked(given)
        return self._errands.ask(lambda: self._add(stream, dry_run))

    def change(self, name: str, given: Mapping[str, Any], dry_run: bool) -> dict[str, Any]:
        """Change keys of a stream; it is opened again if that changes anything.

        Raises:
            Refusal: 404, or 422 it cannot be opened so.
        """
        before = self._known(name)
        address = {"url": None, "url_file": None} if "url" in given else {}
        after = self._checked({**plain(before), **address, **given}, "url" in given)
        return self._errands.ask(lambda: self._change(before, after, dry_run))

    def remove(self, name: str, dry_run: bool) -> dict[str, Any]:
        """Let a stream go.

        Raises:
            Refusal: 404.
        """
        self._known(name)
        return self._errands.ask(lambda: self._remove(name, dry_run))

    def _add(self, stream: StreamSettings, dry_run: bool) -> dict[str, Any]:
        ids = self._streams.ids()
        if stream.id in ids:
            raise Refusal(409, f"there is a stream {stream.id} already: change it, or choose another id")
        if len(ids) >= MAX_STREAMS:
            raise Refusal(409, f"there are {MAX_STREAMS} streams already: start another worker")
        if not dry_run:
            self._keep(stream)
            self._streams.add(stream)
            _log.info("stream %s was added through the API", stream.id)
        return self._plan(dry_run, add=[stream.id])

    def _change(self, before: StreamSettings, after: StreamSettings, dry_run: bool) -> dict[str, Any]:
        if before is not self._known(before.id):
            raise Refusal(409, f"stream {before.id} was changed by somebody else just now: look at it again")
        keys = [key for key in StreamSettings.model_fields if getattr(before, key) != getattr(after, key)]
        if not keys:
            return self._plan(dry_run)
        if not dry_run:
            self._keep(after)
            self._streams.remove(before.id, _LET_GO_S)
            self._streams.add(after)
            _log.info("stream %s was changed through the API: %s", after.id, ", ".join(keys))
        return self._plan(dry_run, restart=[{"stream": after.id, "because": keys}])

    def _remove(self, name: str, dry_run: bool) -> dict[str, Any]:
        self._known(name)
        if not dry_run:
            try:
                self._state.drop(name, name in self._from_file)
            except SettingsError as error:
                raise Refusal(503, str(error)) from None
            self._streams.remove(name, _LET_GO_S)
            _log.info("stream %s was removed through the API", name)
        return self._plan(dry_run, remove=[name])

    def _keep(self, stream: StreamSettings) -> None:
        try:
            self._state.put(stream)
        except SettingsError as error:
            raise Refusal(503, str(error)) from None

    def _plan(
        self,
        dry_run: bool,
        add: list[str] | None = None,
        restart: list[dict[str, Any]] | None = None,
        remove: list[str] | None = None,
    ) -> dict[str, Any]:
        touched = {*(add or []), *(remove or []), *(entry["stream"] for entry in restart or [])}
        return {
            "dry_run": dry_run,
            "add": add or [],
            "restart": restart or [],
            "remove": remove or [],
            "untouched": [name for name in self._streams.ids() if name not in touched],
            "survives_restart": self._state.kept,
        }

    def _checked(self, given: Mapping[str, Any], address_is_new: bool = True) -> StreamSettings:
        """Settings of what was asked for, allowed and complete."""
        try:
            stream = StreamSettings.model_validate({key: value for key, value in given.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise Refusal(422, f"{place(first['loc'])}: {first['msg']}" if first["loc"] else first["msg"]) from None
        try:
            if address_is_new:
                check_address(stream.address, self._settings.web)
                stream = self._placed(stream)
            stream.check()
        except SettingsError as error:
            raise Refusal(422, str(error)) from None
        return stream

    def _placed(self, stream: StreamSettings) -> StreamSettings:
        """A file's name becomes its path in the folder `web.files`."""
        if "://" in stream.address or self._settings.web.files is None:
            return stream
        return StreamSettings.model_validate(
            {**plain(stream), "url": str((self._settings.web.files / stream.address).resolve())}
        )

    def _known(self, name: str) -> StreamSettings:
        for stream in self._streams.settings():
            if stream.id == name:
                return stream
        raise Refusal(404, "there is no stream of this id")

    def _shown(self, stream: StreamSettings) -> dict[str, Any]:
        origin = "settings" if stream.id in self._from_file and stream.id not in self._state.streams else "api"
        return {**stream.model_dump(mode="json"), "origin": origin}

"""What the port asks of the worker. The port opens first, so that health can be watched; the desks open later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from worker.web.answers import Refusal

Json = Mapping[str, Any]


class StreamsDesk(Protocol):
    """Where streams are listed and changed; each method may raise `Refusal`, and may be called from any thread."""

    def all(self) -> list[dict[str, Any]]: ...

    def one(self, name: str) -> dict[str, Any]: ...

    def add(self, given: Json, dry_run: bool) -> dict[str, Any]: ...

    def change(self, name: str, given: Json, dry_run: bool) -> dict[str, Any]: ...

    def remove(self, name: str, dry_run: bool) -> dict[str, Any]: ...


@dataclass(slots=True)
class Desks:
    """Filled in by the worker while it starts; a desk that is None is not open (yet).

    Attributes:
        photo: the bytes of a picture file to `{"width", "height", "faces", "models"}`. May be called from any thread;
            raises `Refusal`.
        streams: where streams are listed and changed.
        preview: the id of a stream to a JPEG of its newest frame.
        settings: the settings in force, without secrets.
        live: everything that the live page shows; from any thread.
        examples: pictures to click on the photo page, JPEG, by name.
    """

    photo: Callable[[bytes], Json] | None = None
    live: Callable[[], Json] | None = None
    streams: StreamsDesk | None = None
    preview: Callable[[str], bytes] | None = None
    settings: Callable[[], Json] | None = None
    examples: Mapping[str, bytes] = field(default_factory=dict)


Desk = TypeVar("Desk")


def open_desk(desk: Desk | None) -> Desk:
    """The desk, or a refusal with 503."""
    if desk is None:
        raise Refusal(503, "the worker is starting or stopping: try again in a few seconds", {"Retry-After": "2"})
    return desk

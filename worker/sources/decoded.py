"""A decoded frame before anybody has decided whether it is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from worker.sources.pictures import Pictures


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded frame.

    Attributes:
        pts_s: media time as the container tells it, seconds; None: it tells none.
        decode_s: seconds spent decoding it.
        damaged: something undecodable or damaged came in since the frame before.
        camera_s: wall time (Unix seconds) at which the camera says it took the picture; None: it does not say.
        render: makes the frame's pictures; valid until the next frame is asked for.
    """

    pts_s: float | None
    decode_s: float
    damaged: bool
    camera_s: float | None
    render: Callable[[], Pictures]

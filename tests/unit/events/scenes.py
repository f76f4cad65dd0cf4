"""Faces that move by rule, seen at any frame rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from worker.face import Box, Detection

Path = Callable[[float], tuple[float, float] | None]
"""Seconds to the face's centre in pixels; None while it is not to be seen."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A face of `size` px that follows `path`; the detector is `score` sure of it."""

    path: Path
    size: float = 80.0
    score: float = 0.9

    def at(self, seconds: float) -> Detection | None:
        centre = self.path(seconds)
        if centre is None:
            return None
        x, y = centre
        half, tall = self.size / 2, self.size * 0.6
        return Detection(Box(x - half, y - tall, x + half, y + tall), self.score)


def moments(fps: float, seconds: float, start: float = 0.0) -> Iterator[float]:
    """Times of the frames of a stream."""
    return (start + index / fps for index in range(round(seconds * fps)))


def seen(actors: list[Actor], seconds: float) -> list[Detection]:
    return [detection for actor in actors if (detection := actor.at(seconds)) is not None]


def still(x: float, y: float) -> Path:
    return lambda _: (x, y)


def walking(x: float, y: float, px_per_s: float) -> Path:
    return lambda t: (x + px_per_s * t, y)


def hidden(path: Path, start: float, end: float) -> Path:
    return lambda t: None if start <= t < end else path(t)

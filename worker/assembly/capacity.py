"""Says when there are more frames than this machine can handle, and what would fit."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Literal

from worker.assembly.reports import StreamStates
from worker.clock import Clock
from worker.cores import usable_cores
from worker.settings import StreamSettings

_log = logging.getLogger(__name__)
_EVERY_S = 10.0
_FULL = 0.95


def planned_warning(streams: Sequence[StreamSettings], picture_s: float) -> str | None:
    """What to say at start if the live streams ask for more detections than the detector makes; None: they fit.

    `picture_s`: seconds that the detector takes for a picture, all cores busy.
    """
    live = [stream for stream in streams if stream.live]
    limits = [stream.fps_limit for stream in live]
    wanted = sum(limit for limit in limits if limit is not None)
    if not live or wanted * picture_s <= _FULL:
        return None
    fits = _fair_share(limits, _FULL / picture_s)
    return (
        f"live streams ask for {wanted:.0f} detections a second and this machine makes about "
        f"{_FULL / picture_s:.0f}: a stream will get at most about {fits:.1f} a second and the rest is skipped "
        f"(superseded); max_fps: {max(0.1, int(fits * 10 + 1e-6) / 10)} fits"
    )


def _fair_share(limits: Sequence[float | None], total: float) -> float:
    """The most that a stream can have when those that ask for less than others keep what they ask for."""
    left = total
    ordered = sorted(math.inf if limit is None else limit for limit in limits)
    for position, limit in enumerate(ordered):
        share = left / (len(ordered) - position)
        if limit > share:
            return share
        left -= limit
    return ordered[-1]


class CapacityWatch:
    """Measures every ten seconds how many cores the streams need; warns when it begins to be more than there are."""

    def __init__(
        self,
        states: StreamStates,
        picture_s: float,
        clock: Clock,
        tell: Callable[[Literal["decode", "inference"], float], None],
    ) -> None:
        self._states = states
        self._picture_s = picture_s
        self._clock = clock
        self._tell = tell
        self._cores = usable_cores()
        self._at = clock.monotonic()
        self._work = states.work()
        self._over = False

    def tick(self) -> None:
        """Called about once a second by the main thread."""
        now = self._clock.monotonic()
        passed = now - self._at
        if passed < _EVERY_S:
            return
        frames, spent = self._states.work()
        wanted, decode = (frames - self._work[0]) / passed, (spent - self._work[1]) / passed
        self._at, self._work = now, (frames, spent)
        inference = wanted * self._picture_s * self._cores
        self._tell("decode", decode)
        self._tell("inference", inference)
        over = decode + inference > self._cores
        if over and not self._over:
            _log.warning(
                "live streams need %.1f cores for decoding and %.1f for inference, and there are %g: "
                "frames are skipped; lower max_fps, set decode: keyframes where one a second will do, or add a worker",
                decode,
                inference,
                self._cores,
            )
        self._over = over

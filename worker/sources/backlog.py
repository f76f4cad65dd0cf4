"""Notices that a camera's packets are read later and later, and catches up by its key frames alone."""

from __future__ import annotations

from collections.abc import Callable

BEHIND_S = 2.0
CAUGHT_UP_S = 1.0
_LONGEST_S = 5.0
"""A backlog is read in far less than this: packets that are not decoded cost next to nothing."""
_DRIFT = 5e-4
"""How much a camera's clock may run slower than ours (500 ppm) without being taken for a backlog."""
_STEEPER = 1.2
"""How much more than what was seen twice a drift may be."""
_LONGEST_GOP_S = 30.0
_BACK_S = 1.0
_AHEAD_S = 10.0


class Backlog:
    """Says which packets of one opened camera are to be decoded.

    A packet's delay is its arrival less its media time. Against the least delay of this opening, which only says where
    the camera's zero is, the excess is how long packets lay in buffers of the network and the kernel before they were
    read. When it passes two seconds (or the distance of two key frames, where that is longer: so long nothing would be
    seen) the machine does not keep up: only key frames are decoded until one is less than a second late. If that does
    not come within five seconds, it is the camera's time that was shifted, not a backlog, and its delay counts as usual
    from then on. Where it came gradually, and comes again, the camera's clock runs slow, and from then on it may.
    """

    def __init__(self, told: Callable[[float], None]) -> None:
        """`told` is called with the excess in seconds each time that the reader has fallen behind."""
        self._told = told
        self._least_s: float | None = None
        self._media_s = 0.0
        self._now = 0.0
        self._least_at = 0.0
        self._behind_since: float | None = None
        self._key_s: float | None = None
        self._gop_s = 0.0
        self._drift = _DRIFT
        self._drifted: float | None = None  # seconds a second, when it last came gradually and was no backlog
        self._half_at: float | None = None  # when half of the way to being late was behind us
        self._gradual = False

    def wants(self, media_s: float | None, now: float, key: bool, waited: bool = True) -> bool:
        """Whether to decode the packet of media time `media_s` (in the order of decoding) that came at `now`
        (monotonic); `key`: it holds a key frame; `waited`: it was not there yet when it was asked for.
        """
        if media_s is not None:
            excess_s = self._excess_s(media_s, now, waited)
            self._learn_gop(media_s, key)
            self._judge(excess_s, now, key)
        return key or self._behind_since is None

    def behind_s(self, now: float) -> float:
        """Seconds since only key frames are decoded."""
        return 0.0 if self._behind_since is None else now - self._behind_since

    def _excess_s(self, media_s: float, now: float, waited: bool) -> float:
        delay_s = now - media_s
        jumped = not -_BACK_S <= media_s - self._media_s <= _AHEAD_S
        if jumped:
            self._key_s = None
        if self._least_s is None or jumped:
            self._least_s, self._least_at = delay_s, now
        # Whoever reads a buffer is late, however slow the camera's clock runs.
        self._least_s = min(delay_s, self._least_s + (self._drift * (now - self._now) if waited else 0.0))
        self._media_s, self._now = media_s, now
        return delay_s - self._least_s

    def _learn_gop(self, media_s: float, key: bool) -> None:
        """How far key frames are apart: the newest distance, or what has passed since the last one."""
        distance_s = 0.0 if self._key_s is None else media_s - self._key_s
        if key:
            self._gop_s, self._key_s = distance_s, media_s
        else:
            self._gop_s = max(self._gop_s, distance_s)

    def _judge(self, excess_s: float, now: float, key: bool) -> None:
        if self._behind_since is None:
            bound_s = max(BEHIND_S, min(self._gop_s, _LONGEST_GOP_S))
            if excess_s <= bound_s / 2:
                self._half_at = None
            elif self._half_at is None:
                self._half_at = now
            if excess_s > bound_s and self._half_at is not None:
                self._gradual = now - self._half_at > (self._half_at - self._least_at) / 2
                self._behind_since = now
                self._told(excess_s)
        elif key and excess_s <= CAUGHT_UP_S:
            self._behind_since = None
        elif key and now - self._behind_since > _LONGEST_S:
            drift = excess_s / max(1.0, now - self._least_at) if self._gradual else None
            if drift is not None and self._drifted is not None:
                self._drift = max(self._drift, _STEEPER * min(drift, self._drifted))
            self._drifted = drift
            self._behind_since = self._least_s = self._half_at = None

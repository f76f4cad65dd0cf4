"""Notices that a camera's packets are read later and later, and catches up by its key frames alone."""

from __future__ import annotations

from collections.abc import Callable

BEHIND_S = 2.0
CAUGHT_UP_S = 1.0
_LONGEST_S = 5.0
"""A backlog is read in far less than this: packets that are not decoded cost next to nothing."""
_DRIFT = 5e-4
"""How much a camera's clock may run slower than ours (500 ppm) without being taken for a backlog."""
_BACK_S = 1.0
_AHEAD_S = 10.0


class Backlog:
    """Says which packets of one opened camera are to be decoded.

    A packet's delay is its arrival less its media time. Against the least delay of this opening, which only says where
    the camera's zero is, the excess is how long packets lay in buffers of the network and the kernel before they were
    read. When it passes two seconds the machine does not keep up: only key frames are decoded until one is less than
    a second late. If that does not come within five seconds, it is the camera's time that was shifted, not a backlog,
    and its delay counts as usual from then on.
    """

    def __init__(self, told: Callable[[float], None]) -> None:
        """`told` is called with the excess in seconds each time that the reader has fallen behind."""
        self._told = told
        self._least_s: float | None = None
        self._media_s = 0.0
        self._now = 0.0
        self._behind_since: float | None = None

    def wants(self, media_s: float | None, now: float, key: bool) -> bool:
        """Whether to decode the packet of media time `media_s` (in the order of decoding) that came at `now`
        (monotonic); `key`: it holds a key frame.
        """
        if media_s is not None:
            self._judge(self._excess_s(media_s, now), now, key)
        return key or self._behind_since is None

    def _excess_s(self, media_s: float, now: float) -> float:
        delay_s = now - media_s
        jumped = not -_BACK_S <= media_s - self._media_s <= _AHEAD_S
        if self._least_s is None or jumped:
            self._least_s = delay_s
        self._least_s = min(delay_s, self._least_s + _DRIFT * (now - self._now))
        self._media_s, self._now = media_s, now
        return delay_s - self._least_s

    def _judge(self, excess_s: float, now: float, key: bool) -> None:
        if self._behind_since is None:
            if excess_s > BEHIND_S:
                self._behind_since = now
                self._told(excess_s)
        elif key and excess_s <= CAUGHT_UP_S:
            self._behind_since = None
        elif key and now - self._behind_since > _LONGEST_S:
            self._behind_since = self._least_s = None

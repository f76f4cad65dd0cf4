"""What one stream did lately: behind the gauges that are worked out when they are read, and behind the live page."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from worker.face import EMOTIONS

RATE_S = 10.0
LATENCY_S = 60.0
BUCKET_S = 5.0
BUCKETS = 60
HISTORY = (*EMOTIONS, "abstained", "frames")
"""What is counted in each bucket of a stream's history: faces read by emotion, faces not read, published frames."""
_MOST = 2048


@dataclass(frozen=True, slots=True)
class StreamReading:
    """One stream's numbers now.

    Attributes:
        decoded, published, decode_errors: frames, frames, and errors so far.
        skipped, gaps: so far, by reason and cause.
        skipped_lately: in the last 10 s, by reason.
        fps, decoded_fps: frames a second that were published and decoded, over 10 s.
        frame_age_s: since the newest decoded frame; None before the first and after the end.
        latency_p95_s: arrival to the target's answer, of the last minute; None where there was none.
        history: rows of counts in the order of HISTORY, a row for each 5 s, the newest last; it is still filling.
    """

    decoded: int
    published: int
    decode_errors: int
    skipped: Mapping[str, int]
    gaps: Mapping[str, int]
    skipped_lately: Mapping[str, int]
    fps: float
    decoded_fps: float
    frame_age_s: float | None
    latency_p95_s: float | None
    history: list[list[int]]


@dataclass(slots=True)
class Tally:
    """Counts of one stream. Its owner holds a lock around every call. Times are monotonic seconds.

    Attributes:
        newest: when the newest frame came, or the stream was added.
        settled: decoded frames whose fate is known.
        ended: it grows no older.
    """

    newest: float
    since: float = field(init=False)
    seen: bool = False
    ended: bool = False
    decoded: int = 0
    settled: int = 0
    published: int = 0
    decode_errors: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    _decoded_at: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST))
    _published_at: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST))
    _skipped_at: deque[tuple[float, str, int]] = field(default_factory=lambda: deque(maxlen=_MOST))
    _latencies: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_MOST))
    _history: deque[tuple[int, Counter[str]]] = field(default_factory=lambda: deque(maxlen=BUCKETS))

    def __post_init__(self) -> None:
        self.since = self.newest

    def add_decoded(self, now: float) -> None:
        self.decoded += 1
        self._decoded_at.append(now)

    def add_published(self, now: float, latency_s: float | None) -> None:
        self.settled += 1
        self.published += 1
        self._published_at.append(now)
        self._count(now, "frames")
        if latency_s is not None:
            self._latencies.append((now, latency_s))

    def add_skipped(self, now: float, reason: str, frames: int) -> None:
        self.settled += frames
        self.skipped[reason] += frames
        self._skipped_at.append((now, reason, frames))

    def add_face(self, now: float, what: str) -> None:
        """A face was read (its emotion) or not (`abstained`)."""
        self._count(now, what)

    def _count(self, now: float, what: str) -> None:
        bucket = math.floor(now / BUCKET_S)
        if not self._history or self._history[-1][0] != bucket:
            self._history.append((bucket, Counter()))
        self._history[-1][1][what] += 1

    def read(self, now: float) -> StreamReading:
        """The numbers at `now`."""
        lately: Counter[str] = Counter()
        for at, reason, frames in self._skipped_at:
            if now - at <= RATE_S:
                lately[reason] += frames
        latencies = sorted(seconds for at, seconds in self._latencies if now - at <= LATENCY_S)
        return StreamReading(
            decoded=self.decoded,
            published=self.published,
            decode_errors=self.decode_errors,
            skipped=dict(self.skipped),
            gaps=dict(self.gaps),
            skipped_lately=dict(lately),
            fps=self._rate(self._published_at, now),
            decoded_fps=self._rate(self._decoded_at, now),
            frame_age_s=now - self.newest if self.seen and not self.ended else None,
            latency_p95_s=latencies[math.ceil(0.95 * len(latencies)) - 1] if latencies else None,
            history=self._rows(now),
        )

    def _rate(self, times: deque[float], now: float) -> float:
        recent = sum(now - at <= RATE_S for at in times)
        span = min(RATE_S, now - self.since)
        if recent == _MOST:
            span = now - times[0]
        return recent / max(span, 1.0)

    def _rows(self, now: float) -> list[list[int]]:
        newest = math.floor(now / BUCKET_S)
        known = dict(self._history)
        rows: Iterable[Counter[str]] = (
            known.get(bucket, Counter()) for bucket in range(newest - BUCKETS + 1, newest + 1)
        )
        return [[row[name] for name in HISTORY] for row in rows]

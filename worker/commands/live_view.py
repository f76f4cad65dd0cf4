"""What comes out of Redis, as a table that a person reads at a glance."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field

from rich import box
from rich.table import Table
from rich.text import Text

from worker.events import schema

_WINDOW_S = 5.0
_BAR = 8
_STYLES = {
    "anger": "red",
    "disgust": "green",
    "fear": "magenta",
    "happiness": "yellow",
    "sadness": "blue",
    "surprise": "bright_red",
    "neutral": "white",
}
_STATE_STYLES = {"live": "bold green", "connecting": "cyan", "ended": "dim", "stopped": "dim"}


@dataclass(slots=True)
class _Stream:
    state: str = "connecting"
    arrivals: deque[float] = field(default_factory=deque)
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    faces: list[schema.Face] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    events: int = 0
    flips: int = 0


class LiveView:
    """Adds up records stream by stream; `table` draws what stands."""

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}

    def add(self, record: schema.Record) -> None:
        """Take the next record of its stream."""
        stream = self._streams.setdefault(record.stream, _Stream())
        if isinstance(record, schema.GapRecord):
            stream.gaps[record.cause] += 1
            return
        stream.skipped.update(record.skipped)
        if isinstance(record, schema.StatusRecord):
            stream.state = record.state
            return
        stream.events += 1
        stream.arrivals.append(time.monotonic())
        stream.faces = record.faces
        if record.latency_ms is not None:
            stream.latencies_ms.append(record.latency_ms.total)

    @property
    def events(self) -> int:
        """Frame events of all streams so far."""
        return sum(stream.events for stream in self._streams.values())

    def table(self) -> Table:
        """The table as of now."""
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        table.add_column("stream", no_wrap=True)
        table.add_column("state", no_wrap=True)
        table.add_column("fps", justify="right")
        table.add_column("latency ms\np50 / p95", justify="right", no_wrap=True)
        table.add_column("events", justify="right")
        table.add_column("skipped", no_wrap=True)
        table.add_column("faces and their stable emotions", no_wrap=True)
        now = time.monotonic()
        for name, stream in sorted(self._streams.items()):
            while stream.arrivals and now - stream.arrivals[0] > _WINDOW_S:
                stream.arrivals.popleft()
            table.add_section()
            table.add_row(
                Text(name, style="bold"),
                Text(stream.state, style=_STATE_STYLES.get(stream.state, "bold red")),
                f"{len(stream.arrivals) / _WINDOW_S:.1f}",
                _latency(stream),
                str(stream.events),
                _counts(stream),
                _faces(stream.faces),
            )
        return table


def _latency(stream: _Stream) -> str:
    if not stream.latencies_ms:
        return "-"
    ordered = sorted(stream.latencies_ms)
    last = len(ordered) - 1
    return f"{ordered[last // 2]:.0f} / {ordered[round(0.95 * last)]:.0f}"


def _counts(stream: _Stream) -> Text:
    lines = [f"{reason} {count}" for reason, count in sorted(stream.skipped.items())]
    text = Text("\n".join(lines) or "none")
    for cause, count in sorted(stream.gaps.items()):
        text.append(f"\ngap {cause} {count}", style="bold red")
    return text


def _faces(faces: list[schema.Face]) -> Text:
    """A line a face: track, bar, stable emotion or why there is none."""
    text = Text()
    for face in sorted(faces, key=lambda face: face.track):
        if text:
            text.append("\n")
        text.append(f"#{face.track:<3} ")
        if face.stable is not None:
            style = _STYLES[face.stable.label]
            filled = round(face.stable.confidence * _BAR)
            text.append("█" * filled, style=style)
            text.append("░" * (_BAR - filled), style="dim")
            text.append(f" {face.stable.label:<9} {face.stable.confidence:>4.0%}", style=style)
            if face.abstained is not None:
                text.append(f"  now: {face.abstained.replace('_', ' ')}", style="dim")
        else:
            text.append((face.abstained or "looking").replace("_", " "), style="dim")
    return text if text else Text("no face", style="dim")

"""What comes out of Redis, as a table that a person reads at a glance."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich import box
from rich.table import Table
from rich.text import Text

from worker.commands.notices import LOUD, STATE_STYLES, TROUBLE
from worker.events import schema

_WINDOW_S = 5.0
_SILENT_S = 5.0
_BAR = 8
_WIDE = 110  # columns of a terminal where everything finds room
_USUAL = 80  # where all but the number of events does, close together; with fewer, no counts of skipped frames
_HEAD = 5  # lines of the table that are no stream
EMOTION_STYLES = {
    "anger": "red",
    "disgust": "green",
    "fear": "magenta",
    "happiness": "yellow",
    "sadness": "bright_blue",
    "surprise": "dark_orange",
    "neutral": "white",
}


@dataclass(slots=True)
class _Stream:
    state: str = "connecting"
    arrivals: deque[float] = field(default_factory=deque)
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    faces: list[schema.Face] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    events: int = 0
    heard: float = field(default_factory=time.monotonic)

    @property
    def blind(self) -> bool:
        """Whether nothing is known of what the camera sees now."""
        return self.state != "live" or self.silent_s > 0 or not self.events

    @property
    def silent_s(self) -> float:
        """How long a stream that is said to be live has not been heard of: 0 for less than 5 s."""
        silence = time.monotonic() - self.heard
        return silence if self.state == "live" and silence > _SILENT_S else 0.0


class LiveView:
    """Adds up records stream by stream; `table` draws what stands."""

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}

    def add(self, record: schema.Record) -> None:
        """Take the next record of its stream."""
        stream = self._streams.setdefault(record.stream, _Stream())
        stream.heard = time.monotonic()
        if isinstance(record, schema.GapRecord):
            stream.gaps[record.cause] += 1
            return
        stream.skipped.update(record.skipped)
        if isinstance(record, schema.StatusRecord):
            stream.state = record.state
            return
        if stream.state == "connecting":
            stream.state = "live"  # the change itself was told before we listened
        stream.events += 1
        stream.arrivals.append(stream.heard)
        stream.faces = record.faces
        if record.latency_ms is not None:
            stream.latencies_ms.append(record.latency_ms.total)

    def stands(self, stream: str, state: str) -> None:
        """A stream's state, as it was told before the first record."""
        self._streams.setdefault(stream, _Stream()).state = state

    @property
    def streams(self) -> int:
        """How many streams are known."""
        return len(self._streams)

    @property
    def events(self) -> int:
        """Frame events of all streams so far."""
        return sum(stream.events for stream in self._streams.values())

    def table(self, width: int = _WIDE, height: int | None = None) -> Table:
        """The table as of now, for a terminal of `width` columns; where it is higher than `height` lines, a stream
        gets one line, those in trouble come first, and the last line says how many found no room."""
        rows = {name: _full(stream, width) for name, stream in sorted(self._streams.items())}
        room = None if height is None else max(3, height - _HEAD)
        if room is not None and sum(_lines(row) + 1 for row in rows.values()) > room:
            return self._short(width, room)
        table = _empty(width, wraps=("stream", "skipped"))
        for name, row in rows.items():
            table.add_section()
            table.add_row(Text(name, style="bold"), *row)
        return table

    def _short(self, width: int, room: int) -> Table:
        table = _empty(width)
        streams = sorted(self._streams.items(), key=lambda item: (not _troubled(item[1]), item[0]))
        shown = len(streams) if len(streams) <= room else room - 1
        for name, stream in streams[:shown]:
            table.add_row(Text(name, style="bold"), *_brief(stream, width))
        if shown < len(streams):
            rest = [stream for _, stream in streams[shown:]]
            troubled = sum(map(_troubled, rest))
            told = f"+{len(rest)} more, {troubled} of them in trouble" if troubled else f"+{len(rest)} more, all live"
            table.caption, table.caption_justify = Text(told, style=TROUBLE if troubled else "dim"), "left"
        return table


def _empty(width: int, wraps: Sequence[str] = ()) -> Table:
    """The head of a table; columns that may wrap give way first where the terminal is narrow."""
    padding = (0, 1) if width >= _WIDE else 0
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=padding)
    for column, right in _columns(width):
        justify: Literal["right", "left"] = "right" if right else "left"
        least = 8 if column in wraps else 4 if right else None
        overflow: Literal["fold", "ellipsis"] = "fold" if column in wraps else "ellipsis"
        table.add_column(column, justify=justify, no_wrap=column not in wraps, overflow=overflow, min_width=least)
    return table


def _columns(width: int) -> list[tuple[str, bool]]:
    """Titles, and whether they are numbers."""
    return [
        ("stream", False), ("state", False), ("fps", True), ("latency ms\np50 / p95", True),
        *([("events", True)] if width >= _WIDE else []),
        *([("skipped", False)] if width >= _USUAL else []),
        ("faces and their stable emotions" if width >= _WIDE else "faces", False),
    ]  # fmt: skip


def _full(stream: _Stream, width: int) -> list[Text | str]:
    return [_state(stream, "\n"), _fps(stream), _latency(stream), *_told(stream, width, _counts), _faces(stream)]


def _brief(stream: _Stream, width: int) -> list[Text | str]:
    told = _told(stream, width, _counts_briefly)
    return [_state(stream, " "), _fps(stream), _latency(stream), *told, _faces_briefly(stream)]


def _told(stream: _Stream, width: int, counts: Callable[[_Stream], Text]) -> list[Text | str]:
    """The number of events, and what was skipped, where there is room."""
    events: list[Text | str] = [str(stream.events)] if width >= _WIDE else []
    return [*events, counts(stream)] if width >= _USUAL else events


def _lines(row: list[Text | str]) -> int:
    return max(str(cell).count("\n") for cell in row) + 1


def _troubled(stream: _Stream) -> bool:
    return stream.state not in STATE_STYLES or stream.silent_s > 0


def _state(stream: _Stream, between: str) -> Text:
    text = Text(stream.state.replace("_", " "), style=STATE_STYLES.get(stream.state, TROUBLE))
    if stream.silent_s:
        text.append(f"{between} silent {stream.silent_s:.0f} s ", style=LOUD)
    return text


def _fps(stream: _Stream) -> str:
    now = time.monotonic()
    while stream.arrivals and now - stream.arrivals[0] > _WINDOW_S:
        stream.arrivals.popleft()
    return f"{len(stream.arrivals) / _WINDOW_S:.1f}"


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
        text.append(f"\ngap {cause} {count}", style=TROUBLE)
    return text


def _counts_briefly(stream: _Stream) -> Text:
    text = Text(str(stream.skipped.total()))
    if stream.gaps:
        count = stream.gaps.total()
        text.append(f", {count} gap{'' if count == 1 else 's'}", style=TROUBLE)
    return text


def _faces(stream: _Stream) -> Text:
    """A line a face: track, bar, stable emotion or why there is none. No data never looks like no people."""
    if stream.blind:
        return Text("no data", style="dim italic")
    text = Text()
    for face in sorted(stream.faces, key=lambda face: face.track):
        if text:
            text.append("\n")
        text.append(f"#{face.track:<3} ")
        if face.stable is not None:
            style = EMOTION_STYLES[face.stable.label]
            text.append(bar(face.stable.confidence, style, _BAR))
            text.append(f" {face.stable.label:<9} {face.stable.confidence:>4.0%}", style=style)
            if face.abstained is not None:
                text.append(f"  now: {face.abstained.replace('_', ' ')}", style="dim")
        else:
            text.append((face.abstained or "looking").replace("_", " "), style="dim")
    return text if text else Text("no face", style="dim")


def _faces_briefly(stream: _Stream) -> Text:
    """How many, and what they show."""
    faces = stream.faces
    if stream.blind:
        return Text("no data", style="dim italic")
    if not faces:
        return Text("no face", style="dim")
    text = Text(f"{len(faces)}: ")
    for place, (label, count) in enumerate(Counter(face.stable.label for face in faces if face.stable).most_common()):
        text.append(", " if place else "").append(f"{label} {count}", style=EMOTION_STYLES[label])
    return text if any(face.stable for face in faces) else text.append("no stable emotion", style="dim")


def bar(share: float, style: str, cells: int) -> Text:
    """A bar of `cells` characters, filled by `share` (0 to 1)."""
    filled = round(share * cells)
    return Text("█" * filled, style=style).append("░" * (cells - filled), style="dim")

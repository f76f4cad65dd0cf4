"""What must not be overlooked in a stream of records, one line each: gaps, holes, troubles, changes of state."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime

from rich.text import Text

from worker.events import schema
from worker.events.consumer import Item, Missing, Received, Unreadable

LOUD = "bold white on red"
TROUBLE = "bold red"
STATE_STYLES = {
    "live": "bold green",
    "connecting": "cyan",
    "ended": "dim",
    "stopped": "dim",
}
"""Any other state is trouble."""


class Notices:
    """Keeps the newest notices, for a screen of limited height."""

    def __init__(self, most: int) -> None:
        self._kept: deque[Text] = deque(maxlen=most)

    def add(self, item: Item) -> None:
        """Take the next item; what is no news is left out."""
        notice = notice_of(item)
        if notice is not None:
            self._kept.append(notice)

    def text(self) -> Text:
        """The newest notices, the newest last."""
        return Text("\n").join(self._kept)


def notice_of(item: Item) -> Text | None:
    """The line for a gap, a change of state, missing records or an entry that is no record; None for a frame."""
    if isinstance(item, Missing):
        count = item.last - item.first + 1
        return _line(None, item.stream, f" {count} RECORDS MISSING ", LOUD, "trimmed before they were read")
    if isinstance(item, Unreadable):
        return _line(None, item.stream, "unreadable", TROUBLE, f"entry {item.entry}: {item.reason}")
    record = item.record
    if isinstance(record, schema.GapRecord):
        return _line(record.end, record.stream, f" GAP {record.cause.replace('_', ' ')} ", LOUD, _stretch(record))
    if isinstance(record, schema.StatusRecord):
        style = STATE_STYLES.get(record.state, TROUBLE)
        told = record.reason if record.reason != record.state else ""
        return _line(record.at, record.stream, record.state.replace("_", " "), style, told)
    return None


def line_of(item: Item) -> Text:
    """The line for any item: a notice, or what a frame shows."""
    notice = notice_of(item)
    if notice is not None:
        return notice
    assert isinstance(item, Received)
    record = item.record
    assert isinstance(record, schema.FrameEvent)
    when = record.frame.captured_at
    faces = ", ".join(_face(face) for face in sorted(record.faces, key=lambda face: face.track))
    line = _line(when, record.stream, faces or "no face", "" if faces else "dim", "")
    skipped = sum(record.skipped.values())
    return line.append(f"  {skipped} skipped before", style="dim") if skipped else line


def _face(face: schema.Face) -> str:
    if face.stable is not None:
        told = f"{face.stable.label} {face.stable.confidence:.0%}"
    else:
        told = (face.abstained or "looking").replace("_", " ")
    return f"#{face.track} {told}"


def _stretch(gap: schema.GapRecord) -> str:
    """How long, and what it hides."""
    parts = []
    if gap.start is not None and gap.end is not None:
        parts.append(f"{(gap.end - gap.start).total_seconds():.1f} s without records")
    if gap.frames is not None and gap.frames:
        parts.append(f"{gap.frames} frames")
    if gap.missing_seq is not None:
        first, last = gap.missing_seq
        parts.append(f"records {first} to {last} are gone")
    return ", ".join(parts)


def _line(when: datetime | None, stream: str, what: str, style: str, more: str) -> Text:
    clock = (when or datetime.now(UTC)).astimezone().strftime("%H:%M:%S")
    line = Text().append(f"{clock} ", style="dim")
    line.append(stream, style="bold").append(" ").append(what, style=style)
    return line.append(f" {more}" if more else "")

"""What was seen in a clip, for people: seconds of each stable emotion by track."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from rich.table import Table

from worker.events import schema

_LONGEST_STEP_S = 2.0
_FLEETING_S = 0.3


@dataclass(slots=True)
class _Track:
    first_s: float
    last_s: float = 0.0
    seen_s: float = 0.0
    emotions: dict[str, float] = field(default_factory=lambda: defaultdict(float))


class Summary:
    """Adds up the events of one clip. A frame stands for the time until the next one (jumps count nothing)."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._tracks: dict[int, _Track] = {}
        self._last: schema.FrameEvent | None = None
        self._step_s = 0.0
        self.frames = 0
        self.frames_with_faces = 0

    def add(self, event: schema.FrameEvent) -> None:
        """Take the next event."""
        now = event.frame.pts_s or 0.0
        if self._last is not None:
            step = now - (self._last.frame.pts_s or 0.0)
            self._step_s = step if 0 < step <= _LONGEST_STEP_S else 0.0
            self._count(self._last, self._step_s)
        self._last = event
        self.frames += 1
        self.frames_with_faces += bool(event.faces)

    def close(self) -> None:
        """The last event stands for as long as the one before it."""
        if self._last is not None:
            self._count(self._last, self._step_s)
            self._last = None

    def rows(self, table: Table) -> None:
        """Append a row for each track that lasted."""
        lasting = {number: track for number, track in self._tracks.items() if track.seen_s >= _FLEETING_S}
        for number, track in lasting.items():
            emotions = sorted(track.emotions.items(), key=lambda item: -item[1])
            told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in emotions if seconds >= 0.05)
            span = f"{track.first_s:.1f} - {track.last_s:.1f}"
            table.add_row(self._stream, f"#{number}", span, f"{track.seen_s:.1f}", told or "none was sure enough")
        fleeting = len(self._tracks) - len(lasting)
        if not self._tracks:
            table.add_row(self._stream, "-", "", "", "no face" if self.frames else "could not be read")
        if fleeting:
            table.add_row(self._stream, f"+{fleeting}", "", "", f"seen for less than {_FLEETING_S} s", style="dim")

    def _count(self, event: schema.FrameEvent, seconds: float) -> None:
        now = event.frame.pts_s or 0.0
        for face in event.faces:
            track = self._tracks.setdefault(face.track, _Track(now))
            track.last_s = now + seconds
            track.seen_s += seconds
            if face.stable is not None:
                track.emotions[face.stable.label] += seconds


class PhotoSummary:
    """The faces of one photo: a row a face."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._faces: list[schema.Face] = []
        self.frames = 0
        self.frames_with_faces = 0

    def add(self, event: schema.FrameEvent) -> None:
        """Take the photo's event."""
        self._faces += event.faces
        self.frames += 1
        self.frames_with_faces += bool(event.faces)

    def rows(self, table: Table) -> None:
        """Append a row for each face."""
        for face in sorted(self._faces, key=lambda face: face.box[0]):
            told = f"{face.emotion.label} {face.emotion.confidence:.0%}" if face.emotion else f"none: {face.abstained}"
            size = "" if face.quality is None else f"{face.quality.size_px:.0f}"
            table.add_row(self._name, f"#{face.track}", size, told.replace("_", " "))
        if not self._faces:
            table.add_row(self._name, "-", "", "no face" if self.frames else "could not be read")

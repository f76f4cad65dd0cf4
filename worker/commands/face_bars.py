"""The faces of one stream with all seven probabilities as bars."""

from __future__ import annotations

from rich.columns import Columns
from rich.text import Text

from worker.commands.live_view import EMOTION_STYLES, bar
from worker.events import schema

_BAR = 16
_MOST = 6


class FaceBars:
    """Shows the faces of the newest frame; what was read on an earlier frame is dimmed."""

    def __init__(self) -> None:
        self._faces: list[schema.Face] = []
        self._known: dict[int, dict[str, float]] = {}

    def add(self, event: schema.FrameEvent) -> None:
        """Take the next frame of the stream."""
        self._faces = sorted(event.faces, key=lambda face: face.track)
        known = {face.track: self._known[face.track] for face in self._faces if face.track in self._known}
        fresh = {face.track: face.emotion.probabilities.model_dump() for face in self._faces if face.emotion}
        self._known = known | fresh

    def drawn(self) -> Columns:
        """A block a face, at most six."""
        return Columns([self._block(face) for face in self._faces[:_MOST]], padding=(1, 4))

    def _block(self, face: schema.Face) -> Text:
        if face.stable is None:
            text = Text().append(f"#{face.track} no stable emotion", style="bold dim")
        else:
            style = f"bold {EMOTION_STYLES[face.stable.label]}"
            text = Text().append(f"#{face.track} {face.stable.label}", style=style)
            text.append(f" for {face.stable.since_s:.1f} s")
        told = (face.abstained or "").replace("_", " ")
        text.append(f"\n{told or _seen(face)}", style="bold red" if told else "dim")
        for name in EMOTION_STYLES:
            share = self._known.get(face.track, {}).get(name)
            text.append(f"\n{name:<10}", style="" if face.emotion else "dim")
            text.append(bar(share or 0.0, EMOTION_STYLES[name] if face.emotion else "dim", _BAR))
            text.append("    -" if share is None else f" {share:>4.0%}", style="" if face.emotion else "dim")
        return text


def _seen(face: schema.Face) -> str:
    _, _, width, height = face.box
    age = "" if not face.emotion_age_s else f", read {face.emotion_age_s:.1f} s ago"
    return f"{width:.0f} x {height:.0f} px{age}"

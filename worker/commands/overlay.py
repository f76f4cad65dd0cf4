"""Draws published records back onto the file that they tell of, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from worker.commands.annotated import AnnotatedVideo, Annotator, write_picture
from worker.events import schema
from worker.frame import Pixels

_SAME_S = 1e-3


def overlay(clip: Path, events: Sequence[schema.FrameEvent], video: Path, picture: Path) -> bool:
    """Write `clip` with each frame's newest record, and the picture with the most stable emotions.

    Frames between two records keep the earlier one's boxes. Only the first round of a looped file is drawn, and it
    ends with the last record. False: there was nothing to draw.

    Raises:
        OutputError: a file cannot be written.
    """
    timed = [event for event in events if event.frame.pts_s is not None]
    timed.sort(key=lambda event: event.frame.index)
    if not timed:
        return False
    best: tuple[float, Pixels] | None = None
    annotator = Annotator()
    place = -1
    origin: float | None = None
    with av.open(str(clip)) as container, AnnotatedVideo(video) as writer:
        for decoded in container.decode(video=0):
            time_s = decoded.time or 0.0
            origin = time_s if origin is None else origin
            while place + 1 < len(timed) and (timed[place + 1].frame.pts_s or 0.0) <= time_s + _SAME_S:
                place += 1
            shown = np.asarray(decoded.to_ndarray(format="bgr24"), np.uint8)
            if place < 0:
                writer.write(shown, decoded.time)
                continue
            event = timed[place]
            annotator.draw(shown, event)
            writer.write(shown, decoded.time)
            score = sum(face.stable.confidence for face in event.faces if face.stable)
            if best is None or score > best[0]:
                best = (score, shown)
            if place == len(timed) - 1:
                break
    if best is not None:
        write_picture(picture, best[1])
    return best is not None

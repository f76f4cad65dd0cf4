"""Pictures and videos with what the records say drawn onto them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np

from worker.drawing import FaceView, draw_caption, draw_faces, draw_region
from worker.errors import OutputError
from worker.events import schema
from worker.frame import Letterbox, Pixels
from worker.publish.file_writer import output_error

_TICKS = 90_000  # time base of the video, ticks a second
_LONGEST_STEP_S = 2.0
_USUAL_STEP_S = 1 / 25


class Annotator:
    """Draws records onto pictures. Remembers each track's last probabilities, shown dimmed where they are not fresh."""

    def __init__(self) -> None:
        self._known: dict[int, dict[str, float]] = {}

    def draw(self, picture: Pixels, event: schema.FrameEvent, letterbox: Letterbox | None = None) -> None:
        """Draw a frame's record onto its picture (height, width, 3) uint8 BGR, in place.

        With `letterbox` it is also shown which part the detector saw, where that was not all of it.
        """
        if letterbox is not None and (letterbox.across, letterbox.down) != (letterbox.width, letterbox.height):
            draw_region(picture, (letterbox.x, letterbox.y, letterbox.across, letterbox.down))
        draw_faces(picture, [self._view(face) for face in event.faces])
        count = len(event.faces)
        when = "" if event.frame.pts_s is None else f" · {event.frame.pts_s:.2f} s"
        draw_caption(picture, f"{event.stream}{when} · {count} face{'' if count == 1 else 's'}")

    def _view(self, face: schema.Face) -> FaceView:
        if face.emotion is not None:
            self._known[face.track] = face.emotion.probabilities.model_dump()
        return FaceView(
            track=face.track,
            box=face.box,
            label=face.stable.label if face.stable else None,
            confidence=face.stable.confidence if face.stable else 0.0,
            probabilities=self._known.get(face.track) if face.stable else None,
            fresh=face.emotion is not None,
            abstained=face.abstained,
        )


def write_picture(path: Path, picture: Pixels) -> None:
    """Write a JPEG.

    Raises:
        OutputError: it cannot be written.
    """
    encoded, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert encoded
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise output_error(str(path), error) from error


class AnnotatedVideo:
    """Writes an H.264 video picture by picture, beside its place first; it appears whole or not at all.

    The first picture decides the size (the largest even one that fits); later pictures of another are letterboxed.
    Jumps of media time become one usual step, so that the video can be watched.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._scratch = path.with_name(f".{path.stem}.part{path.suffix}")
        self._container: av.container.OutputContainer | None = None
        self._stream: av.VideoStream | None = None
        self._ticks = 0
        self._last_s: float | None = None
        self._step_s = _USUAL_STEP_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._container is None or self._stream is None:
            return
        try:
            if kind is None:
                self._container.mux(self._stream.encode())
            self._container.close()
            if kind is None:
                self._scratch.replace(self._path)
        except OSError as failure:
            raise output_error(str(self._path), failure) from failure
        finally:
            self._scratch.unlink(missing_ok=True)

    def write(self, picture: Pixels, pts_s: float | None) -> None:
        """Append a picture (height, width, 3) uint8 BGR that was shown at `pts_s`.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            stream = self._stream or self._open(picture)
            frame = av.VideoFrame.from_ndarray(_fitted(picture, stream.width, stream.height), format="bgr24")
            frame.pts, frame.time_base = self._place(pts_s), Fraction(1, _TICKS)
            assert self._container is not None
            self._container.mux(stream.encode(frame))
        except OSError as error:
            raise output_error(str(self._path), error) from error

    def _open(self, picture: Pixels) -> av.VideoStream:
        height, width = picture.shape[:2]
        if self._path.suffix.lower() not in (".mp4", ".mkv", ".mov"):
            raise OutputError(f"cannot write {self._path}: give the video's name the ending .mp4, .mkv or .mov")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(self._scratch), "w")
        stream = self._container.add_stream("libx264", options={"preset": "veryfast", "crf": "21"})
        stream.width, stream.height = max(2, width // 2 * 2), max(2, height // 2 * 2)
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, _TICKS)
        stream.codec_context.time_base = Fraction(1, _TICKS)
        self._stream = stream
        return stream

    def _place(self, pts_s: float | None) -> int:
        """The picture's tick: always later than the last one's."""
        if self._last_s is not None:
            step = self._step_s if pts_s is None else pts_s - self._last_s
            if 0 < step <= _LONGEST_STEP_S:
                self._step_s = step
            self._ticks += max(1, round(self._step_s * _TICKS))
        self._last_s = pts_s if pts_s is not None else (self._last_s or 0.0) + self._step_s
        return self._ticks


def _fitted(picture: Pixels, width: int, height: int) -> Pixels:
    """The picture in the video's size: an odd edge is cut, another size is letterboxed."""
    if picture.shape[0] in (height, height + 1) and picture.shape[1] in (width, width + 1):
        return np.ascontiguousarray(picture[:height, :width])
    scale = min(width / picture.shape[1], height / picture.shape[0])
    inner = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(picture, inner, interpolation=cv2.INTER_AREA)
    return canvas

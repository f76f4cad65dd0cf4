"""Makes the demo's videos: a virtual camera that pans and zooms over a wall of portraits, and loops without a jump."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np

from worker.errors import OutputError
from worker.frame import Pixels

WIDTH, HEIGHT, FPS = 1280, 720, 15
WALL = (58, 52, 46)


class Portrait(NamedTuple):
    """A picture on the wall: file, left edge, upper edge and height in px, mirrored or not."""

    file: str
    left: int
    top: int
    height: int
    mirrored: bool = False


class Scene(NamedTuple):
    """A wall of portraits and how the camera moves over it.

    `seconds` a round; `closest`: the narrowest view as a share of the widest; `pan`: the span of the view's centre
    across, `eye`: its height, all in px of the wall.
    """

    name: str
    portraits: Sequence[Portrait]
    seconds: float
    closest: float
    pan: tuple[int, int]
    eye: int


HALL = Scene(
    "hall",
    (
        Portrait("grace_hopper.jpg", 90, 120, 560),
        Portrait("eileen_collins.jpg", 650, 150, 500),
        Portrait("grace_hopper.jpg", 1220, 250, 330, mirrored=True),
    ),
    seconds=16,
    closest=0.6,
    pan=(430, 1170),
    eye=300,
)
DOOR = Scene(
    "door",
    (Portrait("eileen_collins.jpg", 380, 120, 760, mirrored=True), Portrait("grace_hopper.jpg", 1180, 200, 520)),
    seconds=12,
    closest=0.4,
    pan=(640, 1150),
    eye=270,
)
SCENES = (HALL, DOOR)


def make_video(scene: Scene, path: Path) -> None:
    """Write one round of `scene` as H.264, 1280x720, 15 fps.

    Raises:
        OutputError: the file cannot be written.
    """
    wall = _hang(scene.portraits)
    try:
        with av.open(str(path), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.time_base = Fraction(1, FPS)
            for number in range(round(scene.seconds * FPS)):
                view = _view(wall, scene, number / (scene.seconds * FPS))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="bgr24")))
            container.mux(stream.encode())
    except OSError as error:
        raise OutputError(f"cannot write the demo's video {path.name}: {error.strerror}; free some space") from error


def _hang(portraits: Sequence[Portrait]) -> Pixels:
    """The wall, 1.25 times as large as what the camera sees at most."""
    wall = np.full((round(HEIGHT * 1.25), round(WIDTH * 1.25), 3), WALL, np.uint8)
    for portrait in portraits:
        data = resources.files("worker.demo").joinpath(portrait.file).read_bytes()
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        width = round(picture.shape[1] * portrait.height / picture.shape[0])
        picture = cv2.resize(picture, (width, portrait.height), interpolation=cv2.INTER_AREA)
        if portrait.mirrored:
            picture = picture[:, ::-1]
        width = min(width, wall.shape[1] - portrait.left)
        wall[portrait.top : portrait.top + portrait.height, portrait.left : portrait.left + width] = picture[:, :width]
    return wall


def _view(wall: Pixels, scene: Scene, phase: float) -> Pixels:
    """What the camera sees at `phase` (0..1) of its round, with a hand's small tremor and an evening's dimming."""
    turn = 2 * math.pi * phase
    share = scene.closest + (1 - scene.closest) * (0.5 + 0.5 * math.cos(turn))
    width, height = WIDTH * share, HEIGHT * share
    room_x, room_y = wall.shape[1] - width, wall.shape[0] - height
    start, end = scene.pan
    left = (start + end) / 2 + (end - start) / 2 * math.sin(turn) - width / 2 + 2 * math.sin(9 * turn)
    top = scene.eye + 12 * math.sin(2 * turn) - height / 2 + 2 * math.cos(11 * turn)
    left, top = min(max(left, 0.0), room_x), min(max(top, 0.0), room_y)
    matrix = np.array([[WIDTH / width, 0, -left * WIDTH / width], [0, HEIGHT / height, -top * HEIGHT / height]])
    view = cv2.warpAffine(wall, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    light = 0.85 + 0.15 * math.cos(turn)
    return np.asarray(cv2.convertScaleAbs(view, alpha=light), np.uint8)

"""What is drawn is seen, and covers no face."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.drawing import COLOURS, FaceView, draw_caption, draw_faces, draw_region
from worker.face import EMOTIONS
from worker.frame import Pixels

EVEN = dict.fromkeys(EMOTIONS, 1 / 7)


def face(
    box: tuple[float, float, float, float], label: str | None = "happiness", abstained: str | None = None
) -> FaceView:
    return FaceView(1, box, label, 0.8, EVEN if label else None, True, abstained)


def blank(width: int = 1280, height: int = 720) -> Pixels:
    return np.full((height, width, 3), 90, np.uint8)


def test_the_box_has_the_emotions_colour() -> None:
    picture = blank()
    draw_faces(picture, [face((400, 300, 200, 240), "sadness")])
    assert tuple(picture[420, 400].tolist()) == COLOURS["sadness"]
    assert (picture[340:500, 440:560] == 90).all(), "the face itself stays as it is"


def test_a_face_without_emotion_is_gray_and_has_no_bars() -> None:
    picture = blank()
    draw_faces(picture, [face((400, 300, 200, 240), None, "too_small")])
    changed = np.argwhere((picture != 90).any(axis=2))
    assert changed[:, 1].max() <= 620
    assert picture[420, 400].tolist() == [150, 150, 150]


def test_bars_of_neighbours_leave_every_face_free() -> None:
    picture = blank()
    boxes = [(200.0, 300.0, 100.0, 120.0), (330.0, 300.0, 100.0, 120.0), (460.0, 300.0, 100.0, 120.0)]
    draw_faces(picture, [face(box) for box in boxes])
    for x, y, w, h in boxes:
        inner = picture[round(y) + 12 : round(y + h) - 12, round(x) + 12 : round(x + w) - 12]
        assert (inner == 90).all()


def test_bars_of_a_neighbour_leave_a_label_free_that_is_wider_than_its_box() -> None:
    near, far = face((300, 200, 100, 120)), face((380, 340, 20, 24), None, "low_confidence")
    alone, both = blank(), blank()
    draw_faces(alone, [far])
    draw_faces(both, [near, far])
    label = np.s_[308:336, 408:480]
    assert (alone[label] != 90).any()
    assert (both[label] == alone[label]).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(-300, 900) for _ in range(2)], *[st.floats(0, 700) for _ in range(2)]), max_size=5),
    st.sampled_from([(1, 1), (40, 30), (320, 240), (720, 1280)]),
)
def test_any_box_can_be_drawn_on_any_picture(
    boxes: list[tuple[float, float, float, float]], size: tuple[int, int]
) -> None:
    picture = blank(*size)
    draw_faces(picture, [face(box, abstained="partial") for box in boxes])
    draw_caption(picture, "a caption that is longer than the picture is wide")
    assert picture.shape == (size[1], size[0], 3)


def test_what_nobody_looked_at_is_dark() -> None:
    picture = blank()
    draw_region(picture, (200, 100, 400, 300))
    assert (picture[110:390, 210:590] == 90).all(), "the part itself stays as it is"
    assert (picture[:97] < 60).all()
    assert (picture[:, 603:] < 60).all()

"""Where a picture, or a region of it, lies in the detector's input, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.frame import Letterbox, Region

SHAPES = ((640, 384), (512, 480), (384, 640))
sides = st.integers(2, 4096)
lengths = st.floats(0.01, 1.0)


@st.composite
def regions(draw: st.DrawFn) -> Region:
    across, down = draw(lengths), draw(lengths)
    return draw(st.floats(0, 1 - across)), draw(st.floats(0, 1 - down)), across, down


@given(sides, sides, regions() | st.none())
def test_the_part_that_is_seen_fills_the_inner_rectangle_exactly(
    width: int, height: int, region: Region | None
) -> None:
    box = Letterbox.fit(width, height, SHAPES, region)
    x, y, across, down = region or (0.0, 0.0, 1.0, 1.0)
    assert 0 <= box.x < box.x + box.across <= width
    assert 0 <= box.y < box.y + box.down <= height
    assert abs(box.x - x * width) <= 1
    assert abs(box.y - y * height) <= 1
    assert abs(box.across - across * width) <= 1
    assert abs(box.down - down * height) <= 1
    part = np.array([[box.x, box.y, box.x + box.across, box.y + box.down]], np.float32)
    right, below = box.left + box.inner_width, box.top + box.inner_height
    assert box.to_input(part)[0] == pytest.approx([box.left, box.top, right, below], abs=0.01)
    assert box.input_width in (right + box.left, right + box.left + 1)
    assert box.input_height in (below + box.top, below + box.top + 1)


@given(sides, sides, regions() | st.none(), st.lists(st.floats(-50, 700), min_size=4, max_size=4))
def test_there_and_back(width: int, height: int, region: Region | None, inside: list[float]) -> None:
    box = Letterbox.fit(width, height, SHAPES, region)
    seen = np.array([inside], np.float32)
    assert box.to_input(box.to_picture(seen))[0] == pytest.approx(inside, abs=0.25)


@given(sides, sides)
def test_the_whole_picture_as_a_region_is_no_region(width: int, height: int) -> None:
    assert Letterbox.fit(width, height, SHAPES, (0.0, 0.0, 1.0, 1.0)) == Letterbox.fit(width, height, SHAPES)


def test_a_small_region_is_shown_larger_and_by_the_shape_that_fits_it() -> None:
    whole = Letterbox.fit(1920, 1080, SHAPES)
    tall = Letterbox.fit(1920, 1080, SHAPES, (0.75, 0.0, 0.25, 1.0))
    assert (whole.input_width, whole.input_height) == (640, 384)
    assert (tall.input_width, tall.input_height) == (384, 640)
    assert (tall.x, tall.y, tall.across, tall.down, tall.width, tall.height) == (1440, 0, 480, 1080, 1920, 1080)
    assert tall.inner_width / tall.across > 1.7 * whole.inner_width / whole.across

"""A region of the picture, upright and with square pixels, is what the detector sees; all else stays whole."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.shared_data import shared
from tests.unit.models.bundles import PORTRAITS
from worker.frame import Frame
from worker.sources.file_frames import frames_of
from worker.sources.options import SourceOptions

SHAPES = ((640, 384), (512, 480), (384, 640))
REGION = (0.3, 0.1, 0.35, 0.8)


def first(path: str, region: tuple[float, float, float, float] | None = REGION) -> Frame:
    options = SourceOptions("clip", path, live=False, shapes=SHAPES, keep_picture=True, region=region)
    source = frames_of(options)
    frame = next(source)
    source.close()  # type: ignore[attr-defined]
    return frame


@pytest.mark.parametrize(
    "name",
    ["ref_h264.mp4", "hevc_main10.mkv", "h264_rotate90.mp4", "h264_rotate270.mp4", "anamorphic_sar4_3.mp4"],
)
def test_the_same_part_upright_whatever_the_coded_form(name: str) -> None:
    whole = first(str(shared("variants/ref_h264.mp4")), None).picture
    frame = first(str(shared(f"variants/{name}")))
    box = frame.letterbox
    assert whole is not None
    assert (frame.width, frame.height) == (640, 360)
    assert (box.x, box.y, box.across, box.down) == (192, 36, 224, 288)
    assert frame.luma.shape == (360, 640)
    assert frame.picture is not None
    assert frame.picture.shape == (360, 640, 3)
    expected = cv2.resize(whole[36:324, 192:416], (box.inner_width, box.inner_height)).astype(int)
    inner = frame.detector_input[box.top : box.top + box.inner_height, box.left : box.left + box.inner_width]
    assert np.abs(inner.astype(int) - expected).mean() < 4
    aside = np.abs(inner.astype(int) - np.roll(expected, 24, axis=1)).mean()
    assert np.abs(inner.astype(int) - expected).mean() < aside / 3, "the place is told apart from one beside it"


def test_a_size_that_changes_in_mid_stream() -> None:
    path = str(shared("variants/ts_resolution_change.ts"))
    options = SourceOptions("clip", path, live=False, shapes=SHAPES, region=(0.5, 0.5, 0.5, 0.5), max_fps=2.0)
    parts = {(f.letterbox.x, f.letterbox.y, f.letterbox.across, f.letterbox.down) for f in frames_of(options)}
    assert parts == {(320, 180, 320, 180), (160, 90, 160, 90)}


def test_a_photo() -> None:
    frame = first(str(PORTRAITS / "grace_hopper.jpg"), (0.5, 0.0, 0.5, 0.5))
    assert frame.picture is not None
    box, (height, width) = frame.letterbox, frame.luma.shape
    assert (frame.width, frame.height) == (width, height)
    part = frame.picture[: box.down, width - box.across :]
    inner = frame.detector_input[box.top : box.top + box.inner_height, box.left : box.left + box.inner_width]
    assert inner.mean(axis=(0, 1)) == pytest.approx(part.mean(axis=(0, 1)), abs=1.0)
    assert abs(float(inner.mean()) - float(frame.picture.mean())) > 3

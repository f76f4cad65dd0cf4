"""One file of each kind: its frames, upright size, the same picture in all of them, and one clear line for junk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from tests.shared_data import shared
from worker.errors import SourceError, SourceUnreachable, SourceUnreadable
from worker.frame import Frame, Pixels
from worker.sources.file_frames import frames_of
from worker.sources.options import SourceOptions
from worker.sources.pictures import full_range_luma
from worker.sources.report import SourceReport

SHAPES = ((640, 384), (512, 480), (384, 640))

SAME_CLIP = {
    # name: upright size, most mean difference of luma to the reference (codecs blur differently)
    "ref_h264.mp4": ((640, 360), 0.0),
    "hevc_main10.mkv": ((640, 360), 3.0),
    "vp9.webm": ((640, 360), 3.0),
    "av1.mp4": ((640, 360), 3.0),
    "mjpeg.avi": ((480, 270), 4.0),
    "mpeg4_asp.avi": ((640, 360), 3.0),
    "h264_rotate90.mp4": ((640, 360), 3.0),
    "h264_rotate270.mp4": ((640, 360), 3.0),
    "odd_427x241_vp9.webm": ((427, 241), 4.0),
    "odd_427x241_h264_444.mp4": ((427, 241), 4.0),
    "h264_with_audio.mp4": ((640, 360), 3.0),
    "fullrange_yuvj420p.mp4": ((640, 360), 3.0),
    "anamorphic_sar4_3.mp4": ((640, 360), 4.0),
    "gray_h264.mp4": ((640, 360), 3.0),
}


def options(path: Path, **chosen: Any) -> SourceOptions:
    return SourceOptions("clip", str(path), live=False, shapes=SHAPES, deterministic_run=True, **chosen)


def read(chosen: SourceOptions) -> tuple[list[int], SourceError | None]:
    """The indices of the frames that come, and the error that ends them."""
    found: list[int] = []
    try:
        found.extend(frame.index for frame in frames_of(chosen))
    except SourceError as error:
        return found, error
    return found, None


@dataclass(frozen=True)
class Seen:
    """What came of a file: of most frames place, size and time alone (the pictures of all would fill the memory)."""

    indices: list[int]
    sizes: list[tuple[int, int]]
    times: list[float]
    kept: dict[int, Frame]


@cache
def seen(name: str) -> Seen:
    found = Seen([], [], [], {})
    for frame in frames_of(options(shared(f"variants/{name}"))):
        found.indices.append(frame.index)
        found.sizes.append((frame.width, frame.height))
        found.times.append(frame.pts_s or 0.0)
        if frame.index in (0, 37, 59, 60, 119):
            found.kept[frame.index] = frame
    return found


def difference(one: Pixels, other: Pixels) -> float:
    """Mean absolute difference of two pictures, the second brought to the first's size."""
    if one.shape != other.shape:
        other = np.asarray(cv2.resize(other, one.shape[1::-1], interpolation=cv2.INTER_AREA), np.uint8)
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("name", SAME_CLIP)
def test_every_codec_and_form_shows_the_same_picture_upright(name: str) -> None:
    size, tolerance = SAME_CLIP[name]
    found, reference = seen(name), seen("ref_h264.mp4")
    assert found.indices == list(range(120))
    assert set(found.sizes) == {size}
    for i in (0, 37, 119):
        frame, same = found.kept[i], reference.kept[i]
        assert frame.luma.shape == size[::-1]
        assert frame.detector_input.shape == (384, 640, 3)
        assert difference(same.luma, frame.luma) <= tolerance
        gray = np.asarray(cv2.cvtColor(same.detector_input, cv2.COLOR_BGR2GRAY), np.uint8)
        other = np.asarray(cv2.cvtColor(frame.detector_input, cv2.COLOR_BGR2GRAY), np.uint8)
        assert difference(gray, other) <= tolerance
    assert all(b - a == pytest.approx(1001 / 24000, abs=0.002) for a, b in pairwise(found.times))


@pytest.mark.parametrize("name", SAME_CLIP)
def test_luma_equals_the_scaler_within_one_level(name: str) -> None:
    with av.open(str(shared(f"variants/{name}"))) as container:
        for i, frame in enumerate(container.decode(video=0)):
            ours = full_range_luma(frame, VideoReformatter())
            scaled = frame.reformat(format="gray", dst_color_range="JPEG").to_ndarray()
            assert np.abs(ours.astype(int) - scaled.astype(int)).max() <= 1
            if i == 5:
                break


def test_luma_equals_the_scaler_on_large_limited_and_full_range_clips() -> None:
    for clip in ("wall_9faces_1080p.mp4", "asl_book.mkv", "B_woman_smile_720p.mp4"):
        with av.open(str(shared(f"clips/{clip}"))) as container:
            frame = next(container.decode(video=0))
            ours = full_range_luma(frame, VideoReformatter())
            scaled = frame.reformat(format="gray", dst_color_range="JPEG").to_ndarray()
            assert np.abs(ours.astype(int) - scaled.astype(int)).max() <= 1


def test_limited_range_is_stretched() -> None:
    luma = np.concatenate([frame.luma.ravel() for frame in seen("ref_h264.mp4").kept.values()])
    assert (luma.min(), luma.max()) == (0, 255)


@pytest.mark.parametrize(
    ("name", "count", "gaps", "errors"),
    [
        ("vfr_h264.mp4", 56, 0, 0),
        ("single_frame.mp4", 1, 0, 0),
        ("corrupt_middle.ts", 104, 1, 1),
        ("ts_jump_forward_1000s.ts", 120, 1, 1),
        ("ts_jump_backward_20s.ts", 120, 0, 1),
        ("ts_jump_backward_500s_ptswrap.ts", 120, 1, 1),
        ("ts_resolution_change.ts", 120, 0, 1),
    ],
)
def test_odd_times_and_damage(name: str, count: int, gaps: int, errors: int) -> None:
    told: list[str] = []
    report = SourceReport(gap=lambda *_: told.append("gap"), decode_error=lambda _: told.append("error"))
    found = [frame.index for frame in frames_of(options(shared(f"variants/{name}")), report)]
    assert found == list(range(count))
    assert (told.count("gap"), told.count("error")) == (gaps, errors)


def test_jumping_time_is_told_as_it_is() -> None:
    forward = seen("ts_jump_forward_1000s.ts").times
    assert forward[60] - forward[59] == pytest.approx(997.46, abs=0.01)
    backward = seen("ts_jump_backward_20s.ts").times
    assert backward[60] - backward[59] == pytest.approx(-22.38, abs=0.01)


@pytest.mark.parametrize("name", ["ts_jump_forward_1000s.ts", "ts_jump_backward_20s.ts", "ref_h264.mp4"])
def test_max_fps_survives_jumps_of_time_and_the_ledger_adds_up(name: str) -> None:
    found = list(frames_of(options(shared(f"variants/{name}"), max_fps=10.0)))
    assert len(found) == pytest.approx(50, abs=3)
    index = -1
    for frame in found:
        assert frame.index - index == 1 + sum(frame.skipped.values())
        index = frame.index


def test_a_change_of_size_in_mid_stream() -> None:
    found = seen("ts_resolution_change.ts").kept
    assert [(frame.width, frame.height) for frame in (found[59], found[60])] == [(640, 360), (320, 180)]
    assert found[60].luma.shape == (180, 320)
    assert found[60].letterbox.inner_width == 640
    assert difference(found[59].detector_input, found[60].detector_input) < 10


def test_the_better_of_two_video_tracks_is_read() -> None:
    found = list(frames_of(options(shared("clips/nasa_two_video_streams.mp4"), max_fps=1.0)))
    assert {(frame.width, frame.height) for frame in found} == {(480, 270)}
    assert found[-1].index == pytest.approx(389, abs=31)


def test_a_file_cut_short_gives_its_frames_and_then_says_so() -> None:
    found, error = read(options(shared("variants/truncated_moov_front.mp4")))
    assert found == list(range(56))
    assert isinstance(error, SourceUnreadable)
    assert "cut short: it ends after 56 frames" in str(error)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("audio_only.mp4", "no video in it"),
        ("empty.mp4", "the file is empty"),
        ("not_a_video.mp4", "a web page, not a video"),
        ("truncated_no_moov.mp4", "without its index"),
    ],
)
def test_junk_gets_one_clear_line(name: str, says: str) -> None:
    with pytest.raises(SourceUnreadable, match=says) as caught:
        next(frames_of(options(shared(f"variants/{name}"))))
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachable, match="no such file"):
        next(frames_of(options(tmp_path / "nothing.mp4")))


def test_random_bytes_never_crash(tmp_path: Path) -> None:
    noise = np.random.default_rng(5)
    whole = bytearray(shared("variants/ref_h264.mp4").read_bytes())
    for i in range(8):
        damaged = bytearray(whole)
        for place in noise.integers(0, len(whole), 2000):
            damaged[place] = noise.integers(0, 256)
        path = tmp_path / f"{i}.mp4"
        path.write_bytes(damaged)
        found, error = read(options(path))
        assert found == list(range(len(found)))
        assert len(found) <= 125
        assert "\n" not in str(error)

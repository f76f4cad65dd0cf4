"""Files and photos as frames: order, determinism, media time, memory of their own."""

from __future__ import annotations

import hashlib
import os
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from tests.unit.sources.counter import number_of, painted, write_video
from worker.errors import SourceUnreachable, SourceUnreadable
from worker.sources.file_frames import frames_of
from worker.sources.options import SourceOptions
from worker.sources.photos import natural_key
from worker.sources.report import SourceReport

SHAPES = ((640, 384), (512, 480), (384, 640))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "counter.mp4"
    return write_video(path, 60, options={"bf": "3", "b_strategy": "0", "g": "20"})


def options(path: Path, **chosen: Any) -> SourceOptions:
    return SourceOptions("clip", str(path), live=False, shapes=SHAPES, **chosen)


def test_b_frames_come_in_the_order_of_display(clip: Path) -> None:
    assert [number_of(frame.luma) for frame in frames_of(options(clip))] == list(range(60))


def test_more_decoder_threads_change_nothing(clip: Path) -> None:
    alone = [hashlib.sha256(frame.luma.tobytes()).digest() for frame in frames_of(options(clip))]
    together = [hashlib.sha256(frame.luma.tobytes()).digest() for frame in frames_of(options(clip, decoder_threads=3))]
    assert alone == together


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "suffix"),
    [
        ("libx264", "yuv422p", "mkv"),
        ("libx264", "yuv420p10le", "mp4"),
        ("libx264rgb", "rgb24", "mkv"),
        ("libx264", "gray", "mkv"),
        ("mjpeg", "yuvj444p", "avi"),
        ("libvpx-vp9", "yuv420p", "webm"),
        ("ffv1", "yuv420p16le", "mkv"),
        ("png", "rgb48be", "mov"),
        ("qtrle", "rgb24", "mov"),
    ],
)
def test_every_pixel_format(tmp_path: Path, codec: str, pix_fmt: str, suffix: str) -> None:
    path = write_video(tmp_path / f"clip.{suffix}", 12, codec=codec, pix_fmt=pix_fmt)
    found = list(frames_of(options(path)))
    assert [number_of(frame.luma) for frame in found] == list(range(12))
    assert all(np.percentile(frame.luma, 0.5) <= 4 for frame in found), "black is black in full range"
    assert int(found[1].luma.max()) >= 250


def test_max_fps_drops_before_the_pictures_are_made(clip: Path) -> None:
    stages: list[str] = []
    told: list[tuple[str, int]] = []
    report = SourceReport(
        stage=lambda name, _: stages.append(name), skipped=lambda _, reason, count: told.append((reason, count))
    )
    found = list(frames_of(options(clip, max_fps=10.0), report))
    assert [frame.index for frame in found][:6] == [0, 3, 5, 8, 10, 13]
    assert [number_of(frame.luma) for frame in found] == [frame.index for frame in found]
    assert stages.count("convert") == len(found)
    assert stages.count("decode") == 60
    assert told == [("max_fps", 1)] * (60 - len(found))


def test_key_frames_alone(clip: Path) -> None:
    found = list(frames_of(options(clip, decode="keyframes")))
    assert [number_of(frame.luma) for frame in found] == [0, 20, 40]
    assert [frame.index for frame in found] == [0, 1, 2]


def owner_of(pixels: np.ndarray) -> object:
    """What holds the memory of an array: None if numpy does."""
    base: object = pixels
    while isinstance(base, np.ndarray):
        base = base.base
    return base


@pytest.mark.parametrize(("pix_fmt", "codec"), [("yuv420p", "libx264"), ("yuvj420p", "mjpeg"), ("gray", "ffv1")])
def test_no_picture_holds_on_to_the_decoders_memory(tmp_path: Path, pix_fmt: str, codec: str) -> None:
    path = write_video(tmp_path / "clip.mkv", 2, codec=codec, pix_fmt=pix_fmt, size=(640, 384))
    for frame in frames_of(options(path, keep_picture=True)):
        assert frame.picture is not None
        assert [owner_of(pixels) for pixels in (frame.luma, frame.detector_input, frame.picture)] == [None] * 3


def test_pixels_stay_when_the_decoder_goes_on(clip: Path) -> None:
    source = frames_of(options(clip, keep_picture=True))
    kept = [next(source) for _ in range(5)]
    assert kept[0].picture is not None
    before = [(frame.luma.copy(), frame.detector_input.copy(), frame.picture) for frame in kept]
    for _ in source:
        pass
    for frame, (luma, small, _) in zip(kept, before, strict=True):
        assert np.array_equal(frame.luma, luma)
        assert np.array_equal(frame.detector_input, small)


@pytest.mark.slow
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
def test_memory_stays_over_three_thousand_frames(tmp_path: Path, pix_fmt: str) -> None:
    """A scaler context for each frame cost megabytes each in an FFmpeg 8 build of PyAV; ours are kept."""
    path = write_video(tmp_path / "clip.mkv", 300, pix_fmt=pix_fmt, options={"preset": "ultrafast"})
    seen, resident = 0, []
    while seen < 3000:
        for _ in frames_of(options(path, keep_picture=True)):
            seen += 1
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
    assert resident[-1] - resident[1] < 20


def test_the_letterbox_is_padded_with_114_and_holds_the_picture(tmp_path: Path) -> None:
    path = write_video(tmp_path / "wide.mp4", 2, size=(960, 240), options={"crf": "5"})
    frame = next(frames_of(options(path, keep_picture=True)))
    box = frame.letterbox
    assert (box.input_width, box.input_height, box.inner_width, box.inner_height) == (640, 384, 640, 160)
    assert (frame.detector_input[: box.top] == 114).all()
    assert (frame.detector_input[box.top + box.inner_height :] == 114).all()
    assert frame.picture is not None
    reference = cv2.resize(frame.picture, (640, 160), interpolation=cv2.INTER_AREA)
    inside = frame.detector_input[box.top : box.top + 160]
    assert np.abs(inside.astype(int) - reference.astype(int)).mean() < 2


@pytest.mark.parametrize("size", [(2, 2), (16, 2000), (2400, 16), (642, 386)])
def test_odd_shapes_of_pictures(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_video(tmp_path / "odd.mkv", 2, codec="ffv1", size=size)
    for frame in frames_of(options(path, keep_picture=True)):
        assert (frame.width, frame.height) == size
        assert frame.luma.shape == size[::-1]
        assert frame.picture is not None
        assert frame.picture.shape == (*size[::-1], 3)
        assert frame.detector_input.shape[:2] == (frame.letterbox.input_height, frame.letterbox.input_width)


def test_tall_pictures_take_the_tall_shape(tmp_path: Path) -> None:
    path = write_video(tmp_path / "tall.mp4", 1, size=(240, 384))
    assert next(frames_of(options(path))).detector_input.shape == (640, 384, 3)


def test_the_run_comes_from_the_content(clip: Path, tmp_path: Path) -> None:
    copy = tmp_path / "another-name.mp4"
    copy.write_bytes(clip.read_bytes())
    other = write_video(tmp_path / "other.mp4", 60)
    runs = [next(frames_of(options(path, deterministic_run=True))).run for path in (clip, copy, other)]
    assert runs[0] == runs[1] != runs[2]
    assert next(frames_of(options(clip))).run != next(frames_of(options(clip))).run


def test_wall_time_offline_is_start_time_plus_media_time_or_nothing(clip: Path) -> None:
    frame = next(frames_of(options(clip, deterministic_run=True)))
    assert (frame.captured_at, frame.clock) == (None, None)
    timed = list(frames_of(options(clip, deterministic_run=True, start_time=1000.0)))
    assert timed[25].captured_at == pytest.approx(1001.0)
    assert timed[25].clock == "file"


def test_a_matroska_file_cut_short(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", 100)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    with pytest.raises(SourceUnreadable, match="cut short"):
        list(frames_of(options(cut)))


def test_a_matroska_file_of_one_picture_in_three_seconds_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "lapse.mkv"
    with av.open(str(path), "w") as out:
        track = out.add_stream("libx264", rate=Fraction(1, 3))
        assert isinstance(track, av.VideoStream)
        track.width, track.height, track.pix_fmt = 384, 240, "yuv420p"
        for number in range(8):
            out.mux(track.encode(av.VideoFrame.from_ndarray(painted(number), "bgr24")))
        out.mux(track.encode(None))
    assert len(list(frames_of(options(path)))) == 8


@pytest.mark.parametrize("sound_first", [False, True])
@pytest.mark.parametrize("share", [1.0, 0.6])
def test_a_matroska_file_whose_sound_is_longer_is_whole_or_cut_as_it_is(
    tmp_path: Path, share: float, sound_first: bool
) -> None:
    path = tmp_path / "long.mkv"
    with av.open(str(path), "w") as out:
        out.add_attachment("font.ttf", "application/x-truetype-font", b"x" * 1000)
        sound = out.add_stream("aac", rate=8000) if sound_first else None
        track = out.add_stream("libx264", rate=25, options={"bf": "3"})
        sound = sound or out.add_stream("aac", rate=8000)
        assert isinstance(track, av.VideoStream)
        assert isinstance(sound, av.AudioStream)
        track.width, track.height, track.pix_fmt = 384, 240, "yuv420p"
        for number in range(50):
            out.mux(track.encode(av.VideoFrame.from_ndarray(painted(number), "bgr24")))
        out.mux(track.encode(None))
        for second in range(6):
            noise = np.random.default_rng(second).normal(0, 0.3, (1, 8000)).astype(np.float32)
            heard = av.AudioFrame.from_ndarray(noise, "fltp", "mono")
            heard.sample_rate, heard.pts = 8000, second * 8000
            out.mux(sound.encode(heard))
        out.mux(sound.encode(None))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    if share == 1.0:
        assert [number_of(frame.luma) for frame in frames_of(options(path))] == list(range(50))
    else:
        with pytest.raises(SourceUnreadable, match="cut short"):
            list(frames_of(options(path)))


def test_a_song_with_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as out:
        sound = out.add_stream("aac", rate=8000)
        assert isinstance(sound, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    with pytest.raises(SourceUnreadable, match="no video in it"):
        next(frames_of(options(path)))


def photo(path: Path, picture: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), picture)
    return path


def test_photos_come_in_natural_order_without_media_time(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        photo(tmp_path / f"img{number}.png", np.full((48, 64, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    found = list(frames_of(options(tmp_path, max_fps=1.0, deterministic_run=True)))
    assert [int(frame.luma[0, 0]) for frame in found] == [1, 2, 10]
    assert [frame.index for frame in found] == [0, 1, 2]
    assert {frame.pts_s for frame in found} == {None}


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "png", "webp", "bmp", "PNG"])
def test_kinds_of_photos(tmp_path: Path, suffix: str) -> None:
    picture = np.full((30, 50, 3), (10, 200, 90), np.uint8)
    path = photo(tmp_path / f"photo.{suffix}", picture)
    frame = next(frames_of(options(path, keep_picture=True)))
    assert (frame.width, frame.height) == (50, 30)
    assert frame.picture is not None
    assert np.abs(frame.picture.astype(int) - picture).max() < 12
    expected = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    assert np.abs(frame.luma.astype(int) - expected.astype(int)).max() < 12


def test_photos_are_turned_as_their_exif_says(tmp_path: Path) -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, :20] = 255  # white on the left; orientation 6 turns it clockwise, so white comes on top
    plain = photo(tmp_path / "a.jpg", picture).read_bytes()
    tag = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 1) + tag + struct.pack("<I", 0)
    turned = tmp_path / "b.jpg"
    turned.write_bytes(plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:])
    frame = next(frames_of(options(turned)))
    assert (frame.width, frame.height) == (40, 60)
    assert frame.luma[:15].mean() > 240
    assert frame.luma[25:].mean() < 15


def test_a_damaged_photo_in_a_folder_is_counted_and_left_out(tmp_path: Path) -> None:
    photo(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "b.jpg").write_bytes(b"junk")
    (tmp_path / "c.jpg").touch()
    errors: list[str] = []
    found = list(frames_of(options(tmp_path), SourceReport(decode_error=errors.append)))
    assert len(found) == 1
    assert errors == ["clip", "clip"]


def test_junk_photos(tmp_path: Path) -> None:
    junk = tmp_path / "a.jpg"
    junk.write_bytes(b"<html>")
    with pytest.raises(SourceUnreadable, match="not a picture"):
        next(frames_of(options(junk)))
    with pytest.raises(SourceUnreachable, match="no such file or folder"):
        next(frames_of(options(tmp_path / "b.jpg")))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SourceUnreadable, match="no pictures in this folder"):
        next(frames_of(options(empty)))


def test_natural_order() -> None:
    assert sorted(["x²", "x10"], key=natural_key) == ["x10", "x²"]
    assert sorted(["b10", "B9", "a1", "b1x"], key=natural_key) == ["a1", "b1x", "B9", "b10"]

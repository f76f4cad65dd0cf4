"""A webcam: its pictures, its faults and its errors. The device is a fake (there is none here), all else is real."""

from __future__ import annotations

import errno
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.unit.sources.counter import number_of, painted, write_video
from tests.unit.sources.recording import Recording
from worker.clock import SystemClock
from worker.errors import SettingsError, SourceTimeout, SourceUnreachable
from worker.frame import GapCause, State
from worker.settings import StreamSettings
from worker.sources import source_thread, webcam
from worker.sources.decoded import Decoded
from worker.sources.options import SourceOptions
from worker.sources.pictures import Pictures
from worker.sources.report import SourceReport
from worker.sources.source_thread import SourceThread
from worker.sources.watchdog import Watchdog
from worker.sources.webcam import Device, Webcam, opened_device

FPS = 50


def options(url: str = "webcam:0", **chosen: Any) -> SourceOptions:
    return SourceOptions("desk", url, **({"live": True, "read_timeout_s": 0.4} | chosen))


class FakeCamera:
    """Stands in for `cv2.VideoCapture` on a device: numbered pictures, 50 a second, until `pictures` are through.

    After them it says at once that no picture came, or with `hangs` it does not return at all.
    """

    def __init__(self, pictures: int = 10_000, hangs: bool = False, damaged: tuple[int, ...] = ()) -> None:
        self.pictures = pictures
        self.hangs = hangs
        self.damaged = damaged
        self.grabbed = 0
        self.threads = {threading.get_ident()}
        self.released = threading.Event()
        self.freed = threading.Event()

    def grab(self) -> bool:
        self.threads.add(threading.get_ident())
        if self.grabbed >= self.pictures:
            if self.hangs:
                assert self.freed.wait(20)
            return False
        time.sleep(1 / FPS)
        self.grabbed += 1
        return True

    def retrieve(self) -> tuple[bool, Any]:
        number = self.grabbed - 1
        return (False, None) if number in self.damaged else (True, painted(number))

    def release(self) -> None:
        self.threads.add(threading.get_ident())
        self.released.set()


class Plugged:
    """Opens one fake camera after another; what is no camera is raised."""

    def __init__(self, *cameras: FakeCamera | Exception) -> None:
        self._left = iter(cameras)

    def __call__(self, _: SourceOptions) -> Device:
        found = next(self._left)
        if isinstance(found, Exception):
            raise found
        found.threads = {threading.get_ident()}
        return found


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes webcams of what follows, for source threads; the pauses between tries are short."""
    monkeypatch.setattr("worker.sources.backoff.SHORTEST_S", 0.01)
    monkeypatch.setattr("worker.sources.backoff.LONGEST_S", 0.02)
    monkeypatch.setattr(source_thread, "_GRACE_S", 0.3)

    def plugged(*cameras: FakeCamera | Exception) -> None:
        opened = Plugged(*cameras)
        monkeypatch.setattr(source_thread, "Webcam", lambda options, report: Webcam(options, report, opened))

    return plugged


@pytest.fixture
def reading() -> Iterator[Callable[..., tuple[SourceThread, Recording]]]:
    """Starts to read a webcam under a watchdog; all that was started is stopped."""
    sources: list[SourceThread] = []
    watchdog = Watchdog(lambda: list(sources), SystemClock(), lambda _: None, lambda _: None)
    watchdog.start()

    def start(report: SourceReport | None = None, **chosen: Any) -> tuple[SourceThread, Recording]:
        seen = Recording()
        source = SourceThread(options(**chosen), seen, SystemClock(), report or SourceReport())
        sources.append(source)
        source.start()
        return source, seen

    yield start
    for source in sources:
        source.stop()
    assert watchdog.stop(1)


def test_pictures_of_a_real_file_through_opencv(tmp_path: Path) -> None:
    """`cv2.VideoCapture` reads a file as it would read a webcam; its end is a silence."""
    path = write_video(tmp_path / "clip.mp4", 20, options={"crf": "10"})
    found: list[tuple[Decoded, Pictures]] = []
    chosen = options(keep_picture=True, region=(0.0, 0.0, 0.5, 0.5), shapes=((384, 240),))
    with Webcam(chosen, SourceReport(), lambda _: cv2.VideoCapture(str(path))) as source, pytest.raises(SourceTimeout):
        found.extend((item, item.render()) for item in source.frames(lambda: None))
    assert [number_of(pictures.luma) for _, pictures in found] == list(range(20))
    times = [item.pts_s for item, _ in found if item.pts_s is not None]
    assert len(times) == 20
    assert all(a < b for a, b in itertools.pairwise(times))
    for _, pictures in found:
        assert pictures.picture is not None
        assert pictures.picture.shape == (240, 384, 3)
        box = pictures.letterbox
        assert (box.width, box.height, box.across, box.down) == (384, 240, 192, 120)


def test_it_is_read_live_and_let_go(plug: Callable[..., None], reading: Any) -> None:
    camera = FakeCamera()
    plug(camera)
    source, seen = reading(max_fps=10.0)
    seen.until(lambda: len(seen.frames) >= 6)
    started = time.monotonic()
    assert source.stop()
    assert time.monotonic() - started < 1
    assert seen.states == [State.CONNECTING, State.LIVE, State.STOPPED]
    assert seen.frames[0].clock == "arrival"
    assert seen.frames[-1].captured_at == pytest.approx(time.time(), abs=10)
    span_s = seen.frames[-1].arrived - seen.frames[0].arrived
    assert span_s == pytest.approx((len(seen.frames) - 1) / 10, abs=0.15), "max_fps"
    assert seen.numbers() == [frame.index for frame in seen.frames]
    seen.check_ledger()
    told = sum(1 + sum(frame.skipped.values()) for frame in seen.frames) + sum(seen.changes[-1].skipped.values())
    assert told in (camera.grabbed, camera.grabbed - 1), "the picture during which it was stopped is not told"
    assert camera.released.is_set()
    assert len(camera.threads) == 1, "one thread opens, reads and releases it"


def test_a_webcam_that_is_unplugged_is_opened_again(plug: Callable[..., None], reading: Any) -> None:
    away = SourceUnreachable("webcam:0: there is no webcam")
    first, second = FakeCamera(pictures=5), FakeCamera()
    plug(first, away, away, second)
    _, seen = reading()
    seen.until(lambda: len(seen.runs) == 2)
    assert seen.numbers(seen.runs[0]) == [0, 1, 2, 3, 4]
    assert seen.states[:2] == [State.CONNECTING, State.LIVE]
    assert seen.states[-3:] == [State.STALLED, State.BACKOFF, State.LIVE]
    assert [gap.cause for gap in seen.gaps] == [GapCause.STALL]
    assert first.released.is_set()
    seen.check_ledger()


def test_one_that_never_gives_a_picture_says_so_within_the_time_out(plug: Callable[..., None], reading: Any) -> None:
    plug(FakeCamera(pictures=0), FakeCamera())
    began = time.monotonic()
    _, seen = reading()
    seen.until(lambda: State.BACKOFF in seen.states)
    assert time.monotonic() - began < 3
    reason = next(change.reason for change in seen.changes if change.state is State.BACKOFF)
    assert reason.startswith("webcam:0: no picture within 0.4 s")
    seen.until(lambda: State.LIVE in seen.states)


def test_one_that_hangs_is_left_behind(plug: Callable[..., None], reading: Any) -> None:
    hung = FakeCamera(pictures=3, hangs=True)
    plug(hung, FakeCamera())
    stuck: list[str] = []
    _, seen = reading(SourceReport(stuck=stuck.append))
    seen.until(lambda: len(seen.runs) == 2)
    assert State.STALLED in seen.states
    assert stuck == ["desk"]
    hung.freed.set()
    assert hung.released.wait(5), "its own thread lets it go"
    assert seen.numbers(seen.runs[0]) == [0, 1, 2]


def test_damaged_pictures_are_counted_and_left_out(plug: Callable[..., None], reading: Any) -> None:
    errors: list[str] = []
    plug(FakeCamera(damaged=(0, 3, 4)))
    _, seen = reading(SourceReport(decode_error=errors.append))
    seen.until(lambda: len(seen.frames) >= 5)
    assert seen.numbers()[:5] == [1, 2, 5, 6, 7]
    assert [frame.index for frame in seen.frames[:5]] == [0, 1, 2, 3, 4]
    assert errors == ["desk"] * 3


def test_pictures_of_another_form_are_damaged() -> None:
    class Infrared(FakeCamera):
        def retrieve(self) -> tuple[bool, Any]:
            return True, np.zeros((240, 384), np.uint16)

    errors: list[str] = []
    source = Webcam(options(), SourceReport(decode_error=errors.append), Plugged(Infrared()))
    with pytest.raises(SourceTimeout, match="no picture within"):
        next(source.frames(lambda: None))
    assert errors


@pytest.mark.parametrize("url", ["webcam:999", "/dev/video999", "/dev/v4l/by-id/usb-Maker_Camera_1-video-index0"])
def test_no_such_webcam(url: str) -> None:
    with pytest.raises(SourceUnreachable, match="there is no") as told:
        Webcam(options(url), SourceReport())
    assert str(told.value).startswith(url)
    assert "plugged in" in str(told.value)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EACCES, "no permission to use .*add the worker's user to the group"),
        (errno.EBUSY, "Device or resource busy.*does another program use it"),
        (errno.ENXIO, "does another program use it"),
    ],
)
def test_what_the_system_says_of_a_device(monkeypatch: pytest.MonkeyPatch, number: int, sentence: str) -> None:
    def refuses(path: Path, flags: int) -> int:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "open", refuses)
    with pytest.raises(SourceUnreachable, match=sentence):
        opened_device(options("webcam:7"))


def test_a_device_that_is_no_webcam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system opens it, and OpenCV does not: so it is for a webcam that another program reads."""
    (tmp_path / "video999").write_bytes(b"no webcam")
    monkeypatch.setattr(webcam, "_NODE", str(tmp_path / "video{}"))
    with pytest.raises(SourceUnreachable, match="cannot be opened as a webcam; does another program use it"):
        opened_device(options("webcam:999"))


def test_names_lead_to_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "/dev/v4l/by-id/usb-Maker_Camera_1-video-index0"
    monkeypatch.setattr(Path, "exists", lambda _: True)
    monkeypatch.setattr(Path, "resolve", lambda _: Path("/dev/video998"))
    with pytest.raises(SourceUnreachable, match="there is no webcam /dev/video998"):
        opened_device(options(name))


def test_settings_of_a_webcam() -> None:
    given = {"id": "desk", "url": "webcam:0"}
    settings = StreamSettings.model_validate(given)
    settings.check()
    assert (settings.live, settings.fps_limit, settings.mailbox_policy) == (True, 10.0, "keep_latest")
    for more, word in (({"loop": True}, "loop"), ({"decode": "keyframes"}, "keyframes"), ({"tls_verify": True}, "tls")):
        with pytest.raises(SettingsError, match=word):
            StreamSettings.model_validate(given | more).check()

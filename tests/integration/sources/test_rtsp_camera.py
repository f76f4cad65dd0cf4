"""A live source against a real RTSP camera that does everything a camera can do wrong."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tests.camera import Auth, Camera
from tests.integration.sources.conftest import Watching
from worker.frame import GapCause, State
from worker.redact import redact
from worker.settings.references import fill

pytestmark = pytest.mark.alone

Watch = Callable[..., Watching]


def consecutive(numbers: list[int], period: int = 100) -> bool:
    return all((b - a) % period == 1 for a, b in pairwise(numbers))


def test_every_frame_arrives_once_and_in_order(watch: Watch, counter_clip: Path) -> None:
    with Camera(counter_clip) as camera:
        cam = watch(camera.url)
        cam.seen.until(lambda: len(cam.seen.frames) >= 60)
        assert cam.source.stop(2)
    assert cam.seen.states == [State.CONNECTING, State.LIVE, State.STOPPED]
    assert consecutive(cam.seen.numbers())
    assert [frame.index for frame in cam.seen.frames] == list(range(len(cam.seen.frames)))
    assert cam.seen.changes[-1].closes_run
    assert cam.seen.gaps == []


def test_camera_time_is_used_where_the_camera_tells_it(watch: Watch, counter_clip: Path) -> None:
    with Camera(counter_clip) as camera:
        cam = watch(camera.url)
        cam.seen.until(lambda: len(cam.seen.frames) >= 40)
        cam.source.stop(2)
    frames = cam.seen.frames
    assert {frame.clock for frame in frames} == {"rtcp"}
    times = [frame.captured_at or 0.0 for frame in frames]
    assert times == sorted(times)
    # the camera runs on this machine's clock: what it says differs by the time on the way alone
    assert all(-0.1 < time.time() - moment < 10 for moment in times)
    assert times[-1] - times[20] == pytest.approx((len(times) - 21) / 25, abs=0.1)


def test_max_fps_is_kept_on_arrival_time(watch: Watch, counter_clip: Path) -> None:
    with Camera(counter_clip) as camera:
        cam = watch(camera.url, max_fps=10.0)
        cam.seen.until(lambda: len(cam.seen.frames) >= 50)
        cam.source.stop(2)
    settled = cam.seen.frames[15:]  # the first second comes in a burst: the library has buffered it
    span = settled[-1].arrived - settled[0].arrived
    assert (len(settled) - 1) / span == pytest.approx(10, rel=0.06)
    assert settled[-1].skipped.keys() == {"max_fps"}


def test_key_frames_alone_are_no_stall_while_packets_come(watch: Watch, counter_clip: Path) -> None:
    with Camera(counter_clip) as camera:
        cam = watch(camera.url, decode="keyframes", read_timeout_s=0.7)  # a key frame comes once a second
        cam.seen.until(lambda: len(cam.seen.frames) >= 4)
        cam.source.stop(2)
    assert cam.seen.numbers()[:4] == [0, 25, 50, 75]
    assert cam.seen.states == [State.CONNECTING, State.LIVE, State.STOPPED]


@pytest.mark.parametrize("auth", ["basic", "digest"])
def test_passwords_are_given(watch: Watch, counter_clip: Path, auth: Auth) -> None:
    with Camera(counter_clip, auth=auth) as camera:
        cam = watch(camera.url)
        cam.seen.until(lambda: len(cam.seen.frames) >= 5)
        assert cam.seen.states == [State.CONNECTING, State.LIVE]
        assert "secret" in camera.url
        assert "secret" not in cam.seen.told()


@pytest.mark.parametrize("auth", ["basic", "digest"])
@pytest.mark.parametrize("password", ["a/b@c#d?e", "it's my secret", '50%/"x"'])
def test_a_variable_holds_the_password_as_it_is(watch: Watch, counter_clip: Path, auth: Auth, password: str) -> None:
    with Camera(counter_clip, auth=auth, password=password) as camera:
        template = camera.url.replace(password, "${WORD}")
        cam = watch(fill(template, {"WORD": password}))
        cam.seen.until(lambda: len(cam.seen.frames) >= 5)
        assert cam.seen.states == [State.CONNECTING, State.LIVE]
        assert redact(cam.source._options.url) == template.replace("${WORD}", "***")


def test_a_wrong_password_is_told_and_not_hammered(watch: Watch, counter_clip: Path) -> None:
    with Camera(counter_clip, auth="digest") as camera:
        cam = watch(camera.url.replace("secret", "guess"))
        cam.seen.until(lambda: State.AUTH_FAILED in cam.seen.states)
        time.sleep(3)
        assert camera.connections == 1, "an account locks after a few wrong passwords"
        assert camera.refusals <= 2
        assert "guess" not in cam.seen.told()
        assert cam.source.stop(1), "waiting for the next try must not hold up a stop"
    assert cam.seen.states == [State.CONNECTING, State.AUTH_FAILED, State.STOPPED]
    assert cam.restarts == ["denied"]


def test_a_camera_that_dies_and_comes_back_starts_a_new_run_behind_a_gap(watch: Watch, counter_clip: Path) -> None:
    with Camera(counter_clip) as camera:
        cam = watch(camera.url)
        cam.seen.until(lambda: len(cam.seen.frames) >= 10)
        camera.kill()
        cam.seen.until(lambda: cam.source.state is State.BACKOFF)
        time.sleep(1.5)
        camera.start()
        cam.seen.until(lambda: len(cam.seen.runs) == 2 and len(cam.seen.numbers(cam.seen.runs[1])) > 10)
        cam.source.stop(2)
    first, second = cam.seen.runs
    assert cam.seen.states == [State.CONNECTING, State.LIVE, State.BACKOFF, State.LIVE, State.STOPPED]
    lost = next(change for change in cam.seen.changes if change.state is State.BACKOFF)
    assert (lost.run, lost.closes_run) == (first, True)
    (gap,) = cam.seen.gaps
    assert (gap.cause, gap.run, gap.frames) == (GapCause.SOURCE_DOWN, second, None)
    assert gap.end - gap.start > 1.5
    place = cam.seen.items.index(gap)
    assert cam.seen.changes[3] is cam.seen.items[place + 1], "the gap, then live, then the first frame"
    assert cam.seen.frames[len(cam.seen.numbers(first))] is cam.seen.items[place + 2]
    assert consecutive(cam.seen.numbers(second))
    assert cam.restarts[0] == "source_down"
    assert set(cam.restarts[1:]) <= {"unreachable"}


def test_a_stall_is_noticed_within_the_read_timeout(watch: Watch, counter_clip: Path) -> None:
    with Camera(counter_clip) as camera:
        cam = watch(camera.url)
        cam.seen.until(lambda: len(cam.seen.frames) >= 10)
        camera.frozen.set()
        cam.seen.until(lambda: State.STALLED in cam.seen.states)
        last_frame_age = time.monotonic() - cam.seen.frames[-1].arrived
        assert 2.0 <= last_frame_age < 3.0
        cam.seen.until(lambda: cam.source.state is State.BACKOFF)
        camera.frozen.clear()
        cam.seen.until(lambda: len(cam.seen.runs) == 2)
    assert cam.seen.states[:5] == [State.CONNECTING, State.LIVE, State.STALLED, State.BACKOFF, State.LIVE]
    assert [gap.cause for gap in cam.seen.gaps] == [GapCause.STALL]
    assert "stall" in cam.restarts


def test_an_absent_camera_is_waited_for_and_found(watch: Watch, counter_clip: Path) -> None:
    camera = Camera(counter_clip)
    camera.start()
    camera.kill()
    cam = watch(camera.url)
    cam.seen.until(lambda: State.BACKOFF in cam.seen.states)
    assert "connection refused" in cam.seen.changes[-1].reason
    time.sleep(1)
    assert cam.seen.states == [State.CONNECTING, State.BACKOFF], "one record, not one for every try"
    with camera:
        cam.seen.until(lambda: bool(cam.seen.frames))
        cam.source.stop(2)
    assert cam.seen.gaps == [], "nothing was seen before, so nothing can be missing"


def test_an_unknown_path_is_told_apart(watch: Watch, counter_clip: Path) -> None:
    with Camera(counter_clip) as camera:
        cam = watch(camera.url.replace("/live", "/nothing"))
        cam.seen.until(lambda: State.BACKOFF in cam.seen.states)
        assert "404" in cam.seen.changes[-1].reason


def test_a_camera_that_accepts_and_says_nothing_runs_into_the_open_timeout(watch: Watch, counter_clip: Path) -> None:
    with Camera(counter_clip, mute=True) as camera:
        started = time.monotonic()
        cam = watch(camera.url, open_timeout_s=1.0)
        cam.seen.until(lambda: State.BACKOFF in cam.seen.states)
        assert time.monotonic() - started < 2.5
        assert "no answer within" in cam.seen.changes[-1].reason
        assert cam.restarts[0] == "timeout"


def test_a_silent_camera_does_not_hold_up_another(watch: Watch, counter_clip: Path) -> None:
    with Camera(counter_clip, mute=True) as silent, Camera(counter_clip) as healthy:
        watch(silent.url)
        well = watch(healthy.url)
        well.seen.until(lambda: len(well.seen.frames) >= 75)
        arrivals = [frame.arrived for frame in well.seen.frames[25:]]
    steps = sorted(b - a for a, b in pairwise(arrivals))
    assert steps[int(len(steps) * 0.95)] < 0.2


@pytest.mark.parametrize("moment", ["just started", "opening", "live", "stalled", "backoff"])
def test_stop_is_legal_and_quick_in_every_state(watch: Watch, counter_clip: Path, moment: str) -> None:
    with Camera(counter_clip, mute=moment == "opening") as camera:
        cam = watch(camera.url, open_timeout_s=4.0)
        if moment == "opening":
            time.sleep(0.3)
        elif moment != "just started":
            cam.seen.until(lambda: bool(cam.seen.frames))
        if moment == "stalled":
            camera.frozen.set()
            cam.seen.until(lambda: State.STALLED in cam.seen.states)
        if moment == "backoff":
            camera.kill()
            cam.seen.until(lambda: cam.source.state is State.BACKOFF)
        started = time.monotonic()
        cam.source.stop(1.0)
        assert time.monotonic() - started < 1.5
        assert cam.source.state is State.STOPPED
        told = len(cam.seen.items)
        time.sleep(0.3)
        assert len(cam.seen.items) == told, "nothing is said after the last word"
        closing = [change.run for change in cam.seen.changes if change.closes_run]
        assert closing == list(dict.fromkeys(change.run for change in cam.seen.changes))[: len(closing)]
        assert set(cam.seen.runs) <= set(closing)


@dataclass(frozen=True)
class Held:
    """What this process holds."""

    files: int
    threads: int
    bytes: int

    @classmethod
    def now(cls) -> Held:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            len([*Path("/proc/self/fd").iterdir()]), threading.active_count(), pages * os.sysconf("SC_PAGE_SIZE")
        )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_thirty_reconnects_leak_nothing(watch: Watch, counter_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.sources.backoff.SHORTEST_S", 0.02)
    monkeypatch.setattr("worker.sources.backoff.LONGEST_S", 0.05)
    before = Held.now()
    with Camera(counter_clip) as camera:
        cam = watch(camera.url)
        for lap in range(1, 31):
            cam.seen.until(lambda lap=lap: cam.seen.states.count(State.LIVE) == lap)
            cam.seen.items[:] = cam.seen.changes  # frames are large: those of earlier runs are not kept
            camera.hang_up()
            if lap == 6:
                before = Held.now()
        cam.seen.until(lambda: cam.seen.states.count(State.LIVE) == 31)
        cam.seen.items[:] = cam.seen.changes
        after = Held.now()
        cam.source.stop(2)
        cam.seen.items[:] = cam.seen.changes
    assert after.files <= before.files + 3
    assert after.threads <= before.threads + 3
    assert after.bytes <= before.bytes + 30 * 2**20
    assert len(cam.seen.changes) == len({(change.run, change.state) for change in cam.seen.changes})


def test_who_cannot_keep_up_with_a_camera_skips_to_its_present(watch: Watch, counter_clip: Path) -> None:
    """A reader that is held up for 0.2 s at each frame of 25 a second would be 4 s late after 5 s, and stay so."""
    with Camera(counter_clip) as camera:
        cam = watch(camera.url)
        cam.seen.until(lambda: len(cam.seen.frames) >= 30)
        cam.seen.slowness_s = 0.2
        cam.seen.until(lambda: len(cam.behind) == 1, 30)
        cam.seen.slowness_s = 0.0
        count = len(cam.seen.frames)
        cam.seen.until(lambda: len(cam.seen.frames) >= count + 60)
        cam.source.stop(2)
    assert 2.0 < cam.behind[0] < 4.0
    frames, numbers = cam.seen.frames, cam.seen.numbers()
    steps = [(b - a) % 100 for a, b in pairwise(numbers)]
    assert consecutive(numbers[:count])
    assert sum(step - 1 for step in steps) > 25, "what lay in the buffers was not decoded"
    assert set(steps[-30:]) == {1}, "it reads every frame again"
    delays = [frame.arrived - (frame.pts_s or 0.0) for frame in frames]
    assert max(delays) - min(delays[20:]) < 5
    assert delays[-1] - min(delays[20:]) < 1.5
    assert cam.seen.states == [State.CONNECTING, State.LIVE, State.STOPPED]
    assert [frame.index for frame in frames] == list(range(len(frames)))

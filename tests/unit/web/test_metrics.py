"""What is counted stands in the scrape, and what is removed does not."""

from __future__ import annotations

import math
import shutil
import subprocess
import threading

import pytest
from prometheus_client import generate_latest

from worker import frame
from worker.face import EMOTIONS, Abstention
from worker.frame import GapCause, Skip, State
from worker.web.metrics import MAX_GROUPS, GroupReading, Metrics

BUILD = {"version": "0.1.0", "python": "3.11", "av": "18", "ffmpeg": "8", "openvino": "2026"}
MODEL = {"model": "detector", "name": "face", "version": "1", "sha256": "ab", "backend": "openvino", "device": "cpu"}


class Hands:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def wall(self) -> float:
        return 1_764_000_000.0 + self.now

    def monotonic(self) -> float:
        return self.now

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(seconds)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def metrics(hands: Hands) -> Metrics:
    return Metrics(hands, BUILD)


def value(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"emotion_worker_{name}", labels)


def test_closed_label_values_stand_at_zero_before_anything_happens(metrics: Metrics) -> None:
    metrics.stream_added("lobby")

    for reason in Skip:
        assert value(metrics, "frames_skipped_total", stream="lobby", reason=reason) == 0
    for cause in GapCause:
        assert value(metrics, "gaps_total", stream="lobby", cause=cause) == 0
    for emotion in EMOTIONS:
        assert value(metrics, "emotions_total", stream="lobby", emotion=emotion) == 0
    for why in Abstention:
        assert value(metrics, "abstentions_total", stream="lobby", reason=why) == 0
    for state in State:
        assert value(metrics, "stream_state", stream="lobby", state=state) == 0
    assert value(metrics, "frame_latency_seconds_count", stream="lobby") == 0
    assert value(metrics, "publish_errors_total", kind="connection") == 0
    assert value(metrics, "stage_seconds_count", stage="detect") == 0
    assert value(metrics, "build_info", **BUILD) == 1


def test_the_ledger_adds_up_in_the_scrape(metrics: Metrics) -> None:
    metrics.stream_added("lobby")
    for _ in range(10):
        metrics.decoded("lobby")
    metrics.skipped("lobby", Skip.MAX_FPS, 3)
    metrics.skipped("lobby", "superseded", 1)
    metrics.published("lobby", 0.2)
    metrics.published("lobby", None)
    metrics.dropped("lobby", 1)

    assert value(metrics, "frames_decoded_total", stream="lobby") == 10
    assert value(metrics, "frames_published_total", stream="lobby") == 2
    assert value(metrics, "frames_skipped_total", stream="lobby", reason="max_fps") == 3
    assert value(metrics, "frames_in_flight", stream="lobby") == 10 - 3 - 1 - 2 - 1
    assert value(metrics, "frame_latency_seconds_count", stream="lobby") == 1
    assert value(metrics, "frame_latency_seconds_sum", stream="lobby") == pytest.approx(0.2)


def test_a_removed_stream_leaves_no_series_and_late_words_do_not_bring_it_back(metrics: Metrics) -> None:
    metrics.stream_added("lobby")
    metrics.stream_added("yard")
    metrics.consumers("lobby", {"alarm": GroupReading(1, 2, False)})
    assert b'stream="lobby"' in generate_latest(metrics.registry)

    metrics.stream_removed("lobby")
    report_everything(metrics, "lobby")

    text = generate_latest(metrics.registry)
    assert b'stream="lobby"' not in text
    assert b'stream="yard"' in text


def test_the_age_of_the_newest_frame_is_worked_out_at_the_scrape(metrics: Metrics, hands: Hands) -> None:
    metrics.stream_added("lobby")
    hands.now += 4
    assert value(metrics, "frame_age_seconds", stream="lobby") == 4, "a camera that never came grows old as well"

    metrics.frame_seen("lobby", hands.wall(), hands.monotonic())
    hands.now += 1.5

    assert value(metrics, "frame_age_seconds", stream="lobby") == 1.5
    assert value(metrics, "stream_last_frame_timestamp_seconds", stream="lobby") == hands.wall() - 1.5


def test_a_stream_that_has_ended_grows_no_older(metrics: Metrics) -> None:
    metrics.stream_added("clip")
    metrics.state("clip", State.LIVE)
    assert value(metrics, "stream_up", stream="clip") == 1

    metrics.state("clip", State.ENDED)

    assert value(metrics, "frame_age_seconds", stream="clip") is None
    assert value(metrics, "stream_up", stream="clip") == 0
    assert value(metrics, "stream_state", stream="clip", state="ended") == 1
    assert value(metrics, "stream_state", stream="clip", state="live") == 0


def test_the_busy_ratio_looks_back_ten_seconds_however_often_it_is_read(metrics: Metrics, hands: Hands) -> None:
    busy = 0.0
    metrics.watch_inference(lambda: busy)
    for second in range(40):
        hands.now += 1
        busy += 0.25 if second < 20 else 0.75
        seen = value(metrics, "inference_busy_ratio")
        if second == 19:
            assert seen == pytest.approx(0.25)
    assert seen == pytest.approx(0.75)


def test_groups_that_are_gone_go_and_too_many_are_not_told(metrics: Metrics) -> None:
    metrics.stream_added("lobby")
    metrics.consumers("lobby", {f"g{i:02}": GroupReading(i, 0, False) for i in range(30)})
    assert value(metrics, "consumer_lag_seconds", stream="lobby", group=f"g{MAX_GROUPS - 1}") == MAX_GROUPS - 1
    assert value(metrics, "consumer_lag_seconds", stream="lobby", group=f"g{MAX_GROUPS}") is None

    metrics.consumers("lobby", {"g01": GroupReading(5, 6, True)})

    assert value(metrics, "consumer_lost", stream="lobby", group="g01") == 1
    assert value(metrics, "consumer_pending_seconds", stream="lobby", group="g01") == 6
    assert value(metrics, "consumer_lag_seconds", stream="lobby", group="g00") is None


def test_a_new_model_takes_the_place_of_the_old_one(metrics: Metrics) -> None:
    metrics.model(**MODEL, precision="f32")
    metrics.model(**MODEL, precision="bf16")

    assert value(metrics, "model_info", **MODEL, precision="f32") is None
    assert value(metrics, "model_info", **MODEL, precision="bf16") == 1


def test_redis_is_unknown_until_somebody_asked(metrics: Metrics) -> None:
    unknown = value(metrics, "redis_up")
    assert unknown is not None
    assert math.isnan(unknown)
    metrics.redis_up(True)
    assert value(metrics, "redis_up") == 1


def test_no_created_series(metrics: Metrics) -> None:
    metrics.stream_added("lobby")
    assert b"_created" not in generate_latest(metrics.registry)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian package prometheus)")
def test_promtool_finds_nothing_to_object_to(metrics: Metrics) -> None:
    metrics.stream_added("lobby")
    report_everything(metrics, "lobby")

    found = subprocess.run(
        ["promtool", "check", "metrics"], input=generate_latest(metrics.registry), capture_output=True, check=False
    )

    assert found.returncode == 0, found.stderr.decode()
    assert found.stderr == b""


def report_everything(metrics: Metrics, stream: str) -> None:
    """Every fact that a stream can have."""
    metrics.decoded(stream)
    metrics.frame_seen(stream, 1.0, 2.0)
    metrics.skipped(stream, frame.Skip.STOPPING, 1)
    metrics.published(stream, 0.1)
    metrics.dropped(stream, 1)
    metrics.decode_error(stream)
    metrics.gap(stream, GapCause.STALL)
    metrics.faces(stream, 2)
    metrics.emotion(stream, "fear")
    metrics.abstained(stream, "blurred")
    metrics.flipped(stream)
    metrics.state(stream, State.LIVE)
    metrics.restarted(stream, "stall")
    metrics.camera_clock_offset(stream, 0.3)
    metrics.consumers(stream, {"alarm": GroupReading(1, 2, False)})
    metrics.stage("detect", 0.02)
    metrics.batch(3)
    metrics.stuck(stream)
    metrics.cores_needed("decode", 1.2)
    metrics.publish_error("oom")
    metrics.watch_queue(lambda: 7)


def test_sources_may_report_while_somebody_scrapes_and_a_stream_goes(metrics: Metrics) -> None:
    metrics.stream_added("lobby")
    failures: list[BaseException] = []
    start = threading.Barrier(4)

    def report() -> None:
        try:
            start.wait()
            for _ in range(500):
                metrics.decoded("lobby")
                metrics.skipped("lobby", Skip.MAX_FPS, 1)
                metrics.decoded("yard")
        except BaseException as error:  # noqa: BLE001 - told below, in the thread of the test
            failures.append(error)

    threads = [threading.Thread(target=report) for _ in range(3)]
    for thread in threads:
        thread.start()
    start.wait()
    while any(thread.is_alive() for thread in threads):
        metrics.stream_added("yard")
        assert b'stream="lobby"' in generate_latest(metrics.registry)
        metrics.stream_removed("yard")
    for thread in threads:
        thread.join()

    assert failures == []
    assert value(metrics, "frames_decoded_total", stream="lobby") == 1500
    assert value(metrics, "frames_in_flight", stream="lobby") == 0
    assert b'stream="yard"' not in generate_latest(metrics.registry)

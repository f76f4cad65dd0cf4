"""Records without Redis: numbered here, whole or not at all, and clear about a disk that is full."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.unit.publish.records import Remembered, frame_draft, gap_draft, status_draft
from worker.clock import SystemClock
from worker.errors import OutputError
from worker.publish.file_writer import JsonlFile
from worker.publish.local_writer import LineSink, LocalPublisher
from worker.publish.queue import PublishQueue
from worker.publish.stdout_writer import JsonlStdout

CLOCK = SystemClock()


def publish(sink: LineSink, *streams: str, frames: int = 5) -> tuple[LocalPublisher, Remembered]:
    """Frames 0.. of each stream through a publisher of its own, to the end."""
    reports = Remembered()
    publisher = LocalPublisher(sink, reports, CLOCK)
    publisher.start()
    for stream in streams:
        queue = PublishQueue(stream, "wait", 1000, gap_draft)
        publisher.add(queue)
        for index in range(frames):
            assert queue.reserve()
            queue.put(frame_draft(stream, index))
        queue.put(status_draft(stream, "ended"))
    publisher.stop(5)
    assert publisher.join(6)
    return publisher, reports


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_each_stream_is_numbered_from_one_in_order(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    publisher, reports = publish(JsonlFile(path, CLOCK, whole=True), "a", "b", frames=700)
    records = read(path)
    for stream in "ab":
        ids = [record["id"] for record in records if record["stream"] == stream]
        assert ids == [f"{stream}/1/{seq}" for seq in range(1, 702)]
    assert len(reports.drafts) == 1402
    assert not publisher.unsent
    assert not reports.failures


def test_a_whole_file_has_its_name_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"before": 1}\n')
    sink = JsonlFile(path, CLOCK, whole=True)
    sink.write(b"{}\n")
    assert path.read_text() == '{"before": 1}\n'
    sink.finish()
    assert path.read_text() == "{}\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_discarded_file_leaves_nothing(tmp_path: Path) -> None:
    sink = JsonlFile(tmp_path / "events.jsonl", CLOCK, whole=True)
    sink.write(b"{}\n")
    sink.discard()
    assert not list(tmp_path.iterdir())


def test_a_service_appends_and_never_repeats_an_id(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for _ in range(2):
        publish(JsonlFile(path, CLOCK, whole=False), "a")
    ids = [record["id"] for record in read(path)]
    assert len(ids) == len(set(ids)) == 12
    epochs = [record["epoch"] for record in read(path)]
    assert epochs[:6] == [1] * 6
    assert epochs == sorted(epochs)


def test_a_service_goes_on_behind_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    publish(JsonlFile(path, CLOCK, whole=False), "a")
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    publish(JsonlFile(path, CLOCK, whole=False), "a")
    lines = path.read_bytes().splitlines()
    assert len(lines) == 12
    assert [i for i, line in enumerate(lines) if not line.endswith(b"}")] == [5]


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_no_file_of_records_is_left_alone(tmp_path: Path, whole: bool) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\0\0\0\x20ftypisom")
    with pytest.raises(OutputError, match=r"clip\.mp4: what is there holds no records: choose another name"):
        JsonlFile(path, CLOCK, whole=whole)
    assert path.read_bytes() == b"\0\0\0\x20ftypisom"
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    publish(JsonlFile(path, CLOCK, whole=True), "a")
    assert len(os.read(reader, 1 << 16).splitlines()) == 6
    os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_the_work_with_one_line(tmp_path: Path) -> None:
    publisher, reports = publish(JsonlFile(Path("/dev/full"), CLOCK, whole=True), "a")
    [error] = reports.failures
    assert isinstance(error, OutputError)
    assert str(error) == "cannot write /dev/full: the disk is full: free some space"
    assert publisher.unsent["a"].records == 6
    assert publisher.unsent["a"].frames == 5


@pytest.mark.parametrize(
    ("name", "words"),
    [("missing/events.jsonl", "does not exist"), ("folder", "it is a folder"), ("file/x", "is a file")],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path: Path, name: str, words: str, whole: bool) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=words):
        JsonlFile(tmp_path / name, CLOCK, whole=whole)


def test_a_file_that_cannot_be_finished_is_told(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "events.jsonl"
    path.parent.mkdir()
    sink = JsonlFile(path, CLOCK, whole=True)
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    with pytest.raises(OutputError, match="does not exist"):
        sink.finish()


def test_a_file_that_missed_the_deadline_is_not_passed_off_as_whole(tmp_path: Path) -> None:
    publisher = LocalPublisher(JsonlFile(tmp_path / "events.jsonl", CLOCK, whole=True), Remembered(), CLOCK)
    queue = PublishQueue("a", "keep_latest", 1000, gap_draft)
    publisher.add(queue)
    for index in range(600):
        queue.put(frame_draft("a", index))
    publisher.stop(0)
    publisher.start()
    assert publisher.join(6)
    assert publisher.unsent["a"].records > 0
    assert not list(tmp_path.iterdir())


def test_standard_output_gets_a_line_each() -> None:
    out = io.BytesIO()
    publish(JsonlStdout(out), "a")
    assert [json.loads(line)["seq"] for line in out.getvalue().splitlines()] == [1, 2, 3, 4, 5, 6]


def test_a_reader_that_has_gone_is_told() -> None:
    class Gone(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, _data: object) -> int:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    _, reports = publish(JsonlStdout(Gone()), "a")
    [error] = reports.failures
    assert str(error) == "cannot write standard output: whoever read it has gone"


def test_a_removed_stream_is_written_out_and_may_come_again() -> None:
    out, reports = io.BytesIO(), Remembered()
    publisher = LocalPublisher(JsonlStdout(out), reports, CLOCK)
    publisher.start()
    for first in (0, 3):
        queue = PublishQueue("a", "keep_latest", 10, gap_draft)
        publisher.add(queue)
        for index in range(first, first + 3):
            queue.put(frame_draft("a", index))
        publisher.remove(queue)
        while queue.reserve() and len(reports.drafts) < first + 3:
            reports.news.wait(0.1)
    publisher.stop(5)
    assert publisher.join(6)
    assert [json.loads(line)["seq"] for line in out.getvalue().splitlines()] == list(range(1, 7))


def test_an_idle_publisher_beats() -> None:
    publisher = LocalPublisher(JsonlStdout(io.BytesIO()), Remembered(), CLOCK)
    before = publisher.heartbeat
    publisher.start()
    publisher.stop(5)
    assert publisher.join(6)
    assert publisher.heartbeat >= before


def test_a_stream_that_goes_and_comes_back_at_once_is_written_on(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    publisher = LocalPublisher(JsonlFile(path, CLOCK, whole=True), Remembered(), CLOCK)
    old, new = (PublishQueue("a", "wait", 1000, gap_draft) for _ in range(2))
    publisher.add(old)
    old.put(status_draft("a", "stopped"))
    publisher._turn()  # the thread is not started: both happen within one turn
    publisher.remove(old)
    publisher.add(new)
    publisher._turn()
    new.put(status_draft("a", "ended"))
    publisher.start()
    publisher.stop(5)
    assert publisher.join(6)
    assert [(record["id"], record["state"]) for record in read(path)] == [("a/1/1", "stopped"), ("a/1/2", "ended")]


def test_streams_added_and_removed_in_one_turn_are_written_in_order_and_the_newest_stays(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    publisher = LocalPublisher(JsonlFile(path, CLOCK, whole=True), Remembered(), CLOCK)
    first, second, newest = (PublishQueue("a", "wait", 1000, gap_draft) for _ in range(3))
    for queue, state in ((first, "stopped"), (second, "failed"), (newest, "ended")):
        publisher.add(queue)
        queue.put(status_draft("a", state))
        if queue is not newest:
            publisher.remove(queue)
    publisher._turn()  # the thread is not started: all happens within one turn
    assert [queue.closed for queue in (first, second, newest)] == [True, True, False]
    publisher.start()
    publisher.stop(5)
    assert publisher.join(6)
    assert [record["state"] for record in read(path)] == ["stopped", "failed", "ended"]

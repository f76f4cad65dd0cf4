"""Three workers share twelve cameras on one Redis; one is killed, and the two others take its share over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import redis

from tests.acceptance.command import Service, emotion_worker, service, wait_until
from worker.embedded_redis import EmbeddedRedis
from worker.events import schema
from worker.settings import shard_of

pytestmark = pytest.mark.alone

CAMERAS = [f"camera-{number}" for number in range(1, 13)]
Records = dict[str, list[Any]]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds of noise, 160x96 at 5 fps: nobody is seen."""
    path = tmp_path / "clip.mp4"
    pixels = np.random.default_rng(7)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for _ in range(10):
            picture = pixels.integers(0, 255, (96, 160, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@contextmanager
def workers(folder: Path, clip: Path, server: EmbeddedRedis, of: int) -> Iterator[list[Service]]:
    """`of` workers with one list of cameras, each with its own share."""
    streams = [
        {"id": name, "url": str(clip), "loop": True, "realtime": True, "policy": "keep_latest", "max_fps": 1}
        for name in CAMERAS
    ]
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                service(
                    folder,
                    {"streams": streams, "redis": {"url": server.url}, "shard": {"index": index, "of": of}},
                    name=f"worker-{index}",
                )
            )
            for index in range(of)
        ]


def records(server: EmbeddedRedis) -> Records:
    """All records by camera."""
    client = redis.Redis.from_url(server.url)
    return {
        name: [
            schema.parse(entry[b"data"], entry[b"type"].decode())
            for _, entry in client.xrange(f"emotion:{{{name}}}:events")
        ]
        for name in CAMERAS
    }


def writers(found: Records) -> dict[str, set[str]]:
    """Which workers have published events of each camera."""
    return {
        name: {record.worker for record in of_camera if isinstance(record, schema.FrameEvent)}
        for name, of_camera in found.items()
    }


def shares(of: int) -> dict[str, set[str]]:
    """Which worker each camera falls to."""
    return {name: {f"worker-{shard_of(name, of)}"} for name in CAMERAS}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_dead_workers_share_is_taken_over(tmp_path: Path, clip: Path, embedded: EmbeddedRedis) -> None:
    assert len(set().union(*shares(3).values())) == 3, "each of the three has something to do"

    with workers(tmp_path, clip, embedded, of=3) as three:
        wait_until(lambda: writers(records(embedded)) == shares(3), 200, "an event of every camera")
        by_port = [{name for name in CAMERAS if each.metric("stream_up", stream=name)} for each in three]
        assert sorted(name for share in by_port for name in share) == sorted(CAMERAS), "none twice, none left out"
        three[2].process.kill()
        three[2].process.wait()
        assert [each.stop(60) for each in three[:2]] == [0, 0]
    before = records(embedded)
    assert writers(before) == shares(3)

    with workers(tmp_path, clip, embedded, of=2) as two:
        seen = {name: len(of_camera) for name, of_camera in before.items()}

        def after() -> Records:
            return {name: of_camera[seen[name] :] for name, of_camera in records(embedded).items()}

        wait_until(lambda: writers(after()) == shares(2), 200, "an event of every camera after the change")
        assert [each.stop(60) for each in two] == [0, 0]

    moved = {name for name in CAMERAS if shares(3)[name] != shares(2)[name]}
    assert moved == {name for name in CAMERAS if shares(3)[name] == {"worker-2"}}, "the others stay where they were"
    everything = records(embedded)
    for name, of_camera in everything.items():
        assert [record.seq for record in of_camera] == list(range(1, len(of_camera) + 1))
        assert len({record.id for record in of_camera}) == len(of_camera)
        causes = [record.cause for record in of_camera if isinstance(record, schema.GapRecord)]
        assert causes == (["worker_restart"] if name in moved else []), "the killed worker's share has a gap"
        owners = defaultdict(set)
        for record in of_camera:
            owners[record.epoch].add(record.worker)
        assert len(owners) == 2
        assert all(len(names) == 1 for names in owners.values()), "an epoch belongs to one worker"
    checked = emotion_worker("verify", embedded.url)
    assert checked.returncode == 0, checked.stdout + checked.stderr

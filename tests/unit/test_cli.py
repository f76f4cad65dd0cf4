"""What becomes of arguments and errors. The service itself is tried in tests/acceptance."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from worker import __version__, cli, errors
from worker.cli import COMMANDS, call
from worker.settings.shard import shard_of

ROOT = Path(__file__).resolve().parents[2]
Install = Callable[[Callable[..., None]], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a function in the place of the command `demo`."""

    def put(function: Callable[..., None]) -> None:
        module = types.ModuleType("a_command")
        module.demo = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "a_command", module)
        monkeypatch.setitem(COMMANDS, "demo", cli._Command("a_command", "demo", "help"))

    return put


def every_error(root: type[errors.WorkerError] = errors.WorkerError) -> Iterator[type[errors.WorkerError]]:
    """The worker's own errors: the training packages, where they are loaded, have further ones."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from every_error(child)


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["--version"]) == 0
    assert capsys.readouterr().out == f"emotion-worker {__version__}\n"
    assert call(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in COMMANDS)


def test_help_imports_nothing_heavy() -> None:
    """Numbers of seconds would test the machine: what takes the time is numpy, av, openvino, pydantic, redis."""
    code = (
        "import sys; from worker.cli import call; call(['--help']);"
        "heavy = {'numpy', 'av', 'cv2', 'openvino', 'pydantic', 'redis', 'fastapi', 'torch'} & set(sys.modules);"
        "sys.exit(str(sorted(heavy)) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_wrong_arguments_are_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run"]) == 2
    assert call(["fly"]) == 2
    assert call(["config-schema", "--fast"]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("error", sorted(every_error(), key=str))
def test_an_error_is_one_line_and_its_exit_code(
    error: type[errors.WorkerError], install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error("cannot open rtsp://admin:hunter2@h/1")

    install(fail)

    assert call(["demo"]) == error.exit_code

    told = capsys.readouterr()
    assert told.err == "error: cannot open rtsp://admin:***@h/1\n"
    assert told.out == ""


def test_what_nobody_expected_is_one_line_and_the_traceback_on_demand(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("rtsp://admin:hunter2@h/1")

    install(fail)

    assert call(["demo"]) == 70
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "unexpected ZeroDivisionError" in told

    assert call(["--debug", "demo"]) == 70
    told += capsys.readouterr().err
    assert "Traceback" in told
    assert "hunter2" not in told


def test_an_interrupt_is_130(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    install(fail)
    assert call(["demo"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_what_a_command_logs_is_without_secrets_too(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        log = logging.getLogger("worker.sources")
        log.info("opening")
        for _ in range(3):
            log.warning("cannot open rtsp://admin:hunter2@h/1")

    install(command)
    assert call(["demo"]) == 0
    told = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert told == ["cannot open rtsp://admin:***@h/1", "cannot open rtsp://admin:***@h/1 (2 more in 1 s)"]


def test_a_command_gets_its_arguments(install: Install) -> None:
    got: list[tuple[list[Path], float]] = []

    def command(clips: list[Path], seconds: float = 20.0) -> None:
        got.append((clips, seconds))

    install(command)
    assert call(["demo", "a.mp4", "b.mp4", "--seconds", "3"]) == 0
    assert got == [([Path("a.mp4"), Path("b.mp4")], 3.0)]


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["config-schema"]) == 0
    assert "streams" in json.loads(capsys.readouterr().out)["properties"]


def test_settings_mistakes_are_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cameras.yaml"
    path.write_text("redsi: {}\nweb: {port: many}\n")
    assert call(["run", str(path), "--check"]) == errors.SettingsError.exit_code
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert all(line.startswith("error: ") for line in told)


def test_check_prints_what_is_in_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cameras.yaml"
    path.write_text("streams: [{id: lobby, url: 'rtsp://admin:hunter2@h/1'}]\n")
    monkeypatch.setenv("EMOTION_WORKER__REDIS__MAXLEN", "500")
    assert call(["run", str(path), "--check"]) == 0
    told = capsys.readouterr().out
    assert "maxlen: 500" in told
    assert "url: rtsp://admin:***@h/1" in told


def test_check_asks_what_the_deployment_is_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cameras.yaml"
    path.write_text("streams: []\n")
    assert call(["run", str(path), "--check"]) == 0
    assert "worker.purpose is not set" in capsys.readouterr().err
    path.write_text("worker: {purpose: workplace}\n")
    assert call(["run", str(path), "--check"]) == errors.PurposeRefused.exit_code


def test_check_refuses_a_port_that_run_would_refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cameras.yaml"
    path.write_text("web: {host: 0.0.0.0, changes: true}\n")
    assert call(["run", str(path), "--check"]) == errors.SettingsError.exit_code
    assert "set web.token_file" in capsys.readouterr().err


def test_check_refuses_what_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cameras.yaml"
    path.write_text("streams: [{id: lobby, url: 'concat:a|b'}]\n")
    assert call(["run", str(path), "--check"]) == errors.SettingsError.exit_code
    path.write_text(f"models: {{detector: {tmp_path}}}\n")
    assert call(["run", str(path), "--check"]) == errors.BundleError.exit_code
    assert capsys.readouterr().err.count("\n") == 2


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_reader_that_goes_is_no_failure_of_ours() -> None:
    """`| head -1` must not look like a ledger that does not add up (code 1)."""
    command = f"{sys.executable} -m worker config-schema | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() in ("0", "141"), "0: all of it fitted into the pipe before the reader went"
    assert done.stderr == ""


def test_where_only_the_consumer_kit_is_installed_the_command_says_so() -> None:
    code = "import sys; sys.modules['typer'] = None; from worker.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 69
    assert done.stderr.startswith("error: the command needs the whole package, and typer is not installed")
    assert done.stderr.count("\n") == 1


def test_every_exit_code_is_documented() -> None:
    text = (ROOT / "docs" / "exit-codes.md").read_text()
    rows = {int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.*) \|$", text, re.MULTILINE)}
    for error in every_error():
        assert f"`{error.__name__}`" in rows[error.exit_code], error.__name__
    assert {0, 2, 70, 130, 141} <= set(rows)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("streams: []", "there are no streams, and web.changes is off"),
        ("streams: [{id: a, url: gone.mp4}]", "stream a: gone.mp4: no such file or folder yet"),
        ("streams: [{id: a, url: 'rtsp://h/1'}]\nshard: {index: INDEX, of: 2}", "none of the 1 streams falls to shard"),
    ],
)
def test_check_tells_of_what_there_is_not_to_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: str, says: str
) -> None:
    other = 1 - shard_of("a", 2)
    path = tmp_path / "cameras.yaml"
    path.write_text(f"{settings.replace('INDEX', str(other))}\n")
    assert call(["run", str(path), "--check"]) == 0
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("url", ["rtsp://u:pa/ss@h/1", "rtsp://h:99999/1", "rtsp://"])
def test_check_refuses_a_malformed_address_and_shows_no_part_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    path = tmp_path / "cameras.yaml"
    path.write_text(f"streams: [{{id: lobby, url: '{url}'}}]\n")
    assert call(["run", str(path), "--check"]) == errors.SettingsError.exit_code
    assert "ss@h" not in capsys.readouterr().err

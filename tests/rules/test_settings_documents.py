"""The example and the reference are what the code says: python -m worker.settings writes them again."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import jsonschema
import pytest
import yaml

from worker.settings import Settings, StreamSettings, effective, load_settings
from worker.settings.show import example, reference
from worker.settings.tree import sections

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "deploy" / "emotion-worker.example.yaml"


def test_the_example_is_the_defaults() -> None:
    settings = load_settings(EXAMPLE, {})
    assert settings.streams == (StreamSettings.model_validate({"id": "lobby", "url": "rtsp://camera.example/stream1"}),)
    assert settings.model_copy(update={"streams": ()}) == Settings()


def test_the_example_names_every_key() -> None:
    written = yaml.safe_load(EXAMPLE.read_text())
    for name, section in sections():
        part = written
        for step in name.split("."):
            part = part[step]
        keys = part[0] if isinstance(part, list) else part
        assert list(keys) == list(section.model_fields), name


def test_the_committed_documents_are_what_the_code_says() -> None:
    assert EXAMPLE.read_text() == example()
    assert (ROOT / "docs" / "settings.md").read_text() == reference()


def test_one_command_writes_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("deploy", "docs"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    runpy.run_module("worker.settings", run_name="__main__")
    assert (tmp_path / "deploy" / EXAMPLE.name).read_text() == example()
    assert (tmp_path / "docs" / "settings.md").read_text() == reference()


def test_every_key_is_read_by_somebody() -> None:
    """A setting that changes nothing is a lie."""
    code = "\n".join(path.read_text() for path in (ROOT / "worker").rglob("*.py") if path.name != "show.py")
    unread = {
        f"{name}.{key}"
        for name, section in sections()
        for key in section.model_fields
        if not re.search(rf"(settings|stream|redis|gates|events|self|worker|pipeline|publish|logs)\.{key}\b", code)
    }
    assert unread == set()


def test_every_key_is_described() -> None:
    for name, section in sections():
        assert section.__doc__, name
        for key, field in section.model_fields.items():
            assert field.description, f"{name}.{key}"


def test_editors_accept_the_example_and_refuse_a_wrong_key() -> None:
    schema = Settings.model_json_schema()
    written = yaml.safe_load(EXAMPLE.read_text())
    json.dumps(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    filled = {name: {k: v for k, v in part.items() if v is not None} if isinstance(part, dict) else part
              for name, part in written.items()}  # fmt: skip
    jsonschema.validate(filled, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"redsi": {}}, schema)


def test_what_is_in_force_can_be_loaded_again_and_holds_no_secret(tmp_path: Path) -> None:
    first = tmp_path / "first.yaml"
    first.write_text(
        """
worker: {name: edge-1, purpose: retail}
streams:
- {id: a, url: 'rtsp://admin:hunter2@h/1', max_fps: all, read_timeout: 1500ms}
- {id: b, url: clip.mp4, max_fps: 2.5}
redis: {url: 'redis://:hunter2@h', password: hunter2hunter2}
web: {token: hunter2hunter2hunter2}
pipeline: {max_wait: 5ms}
models: {threads: 2}
"""
    )
    settings = load_settings(first, {})

    told = effective(settings)

    assert "hunter2" not in told
    assert "hunter2" not in repr(settings)
    second = tmp_path / "second.yaml"
    second.write_text(re.sub(r"(password|token): .*", r"\1:", told).replace("***", "hunter2"))
    again = load_settings(second, {})
    assert again.streams == settings.streams
    assert again.pipeline == settings.pipeline
    assert again.models == settings.models
    assert again.redis.url == settings.redis.url

"""A file and variables become settings, or one clear line a mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from worker.errors import PurposeRefused, SettingsError
from worker.settings import Settings, load_settings, shard_of

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(text: str = "", **environ: str) -> Settings:
        path = tmp_path / "cameras.yaml"
        path.write_text(text)
        return load_settings(path, environ)

    return load


def mistakes(load: Load, text: str = "", **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(text, **environ)
    return str(caught.value).splitlines()


def mistake(load: Load, text: str = "", **environ: str) -> str:
    lines = mistakes(load, text, **environ)
    assert len(lines) == 1, lines
    return lines[0]


CAMERA = "streams: [{id: lobby, url: rtsp://camera.example/1}]\n"


def test_an_empty_file_and_no_file_are_the_defaults(load: Load) -> None:
    assert load("") == load_settings(None, {}) == Settings()
    assert load("redis:\nstreams:\nevents:\n  gates:\n") == Settings(), "sections whose keys are all commented out"


def test_a_variable_wins_over_the_file(load: Load) -> None:
    text = "redis: {url: redis://file:1, maxlen: 5000}\nevents: {gates: {confidence: 0.2}}\n"
    settings = load(
        text,
        EMOTION_WORKER__REDIS__URL="redis://variable:2",
        EMOTION_WORKER__EVENTS__GATES__CONFIDENCE="0.5",
        EMOTION_WORKER__PIPELINE__STOP_DEADLINE="2m",
        EMOTION_WORKER__REDIS__HOLD_FOR_GROUPS="alarm, archive",
        EMOTION_WORKER__WEB__ENABLED="false",
    )
    assert settings.redis.url.get_secret_value() == "redis://variable:2"
    assert settings.redis.maxlen == 5000
    assert settings.events.gates.confidence == 0.5
    assert settings.pipeline.stop_deadline == 120
    assert settings.redis.hold_for_groups == ("alarm", "archive")
    assert settings.web.enabled is False


def test_an_empty_variable_counts_as_not_given(load: Load) -> None:
    assert load("web: {port: 9000}", EMOTION_WORKER__WEB__PORT="").web.port == 9000


def test_what_kubernetes_sets_for_a_service_of_our_name_is_not_ours(load: Load) -> None:
    environ = {"EMOTION_WORKER_PORT": "tcp://10.0.0.1:8080", "EMOTION_WORKER_SERVICE_HOST": "10.0.0.1"}
    assert load("", **environ) == Settings()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("EMOTION_WORKER__REDSI__URL", "did you mean EMOTION_WORKER__REDIS__URL?"),
        ("EMOTION_WORKER__REDIS__URI", "did you mean EMOTION_WORKER__REDIS__URL?"),
        ("EMOTION_WORKER__PIPELINE", "no such setting"),
        ("EMOTION_WORKER__STREAMS__0__URL", "streams come from the settings file only"),
        ("EMOTION_WORKER__STREAMS", "streams come from the settings file only"),
        ("EMOTION_WORKER__REDIS__HOLD_FOR_GROUPS__0", "a list is written with commas"),
    ],
)
def test_a_variable_that_fits_no_setting_is_refused_by_name_and_without_its_value(
    load: Load, name: str, told: str
) -> None:
    line = mistake(load, **{name: "hunter2"})
    assert name in line
    assert told in line
    assert "hunter2" not in line


def test_a_wrong_value_in_a_variable_names_the_variable(load: Load) -> None:
    line = mistake(load, EMOTION_WORKER__WEB__PORT="many")
    assert line == "variable EMOTION_WORKER__WEB__PORT: web.port: 'many' is wrong, it must be a whole number"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("redsi: {}", "line 1: redsi: unknown key; did you mean redis?"),
        ("redis:\n  maxln: 5", "line 2: redis.maxln: unknown key; did you mean maxlen?"),
        ("streams:\n- id: a\n  url: x\n  max_fsp: 5", "line 4: streams[0].max_fsp: unknown key; did you mean max_fps?"),
        ("events: {gates: {colour: 1}}", "line 1: events.gates.colour: unknown key"),
        ("web:\n\n  port: 80800", "line 3: web.port: 80800 is wrong, it must be at most 65535"),
        ("pipeline: {max_wait: 5s}", "line 1: pipeline.max_wait: 5s is wrong, it must be at most 1s"),
        ("pipeline: {stop_deadline: 10ms}", "10ms is wrong, it must be at least 500ms"),
        ("pipeline: {stop_deadline: 10 parsecs}", "write a duration such as 500ms, 10s, 2m or 1h"),
        ("pipeline: {max_batch: 8.5}", "must be a whole number"),
        ("logs: {level: loud}", "'loud' is wrong, it must be debug, info, warning or error"),
        ("web: {enabled: perhaps}", "must be true or false"),
        ("redis: 5", "line 1: redis: 5 is wrong, it must hold keys"),
        ("streams: lobby", "line 1: streams: 'lobby' is wrong, it must be a list"),
        ("streams: [{url: x}]", "line 1: streams[0].id is missing"),
        ("streams: [{id: 7, url: x}]", "streams[0].id: 7 is wrong, it must be text: put it in quotes"),
        ("streams: [{id: a b, url: x}]", "must be 1 to 64 of A-Z a-z 0-9 _ . -"),
        ("streams: [{id: a}]", "streams[0]: give exactly one of url and url_file"),
        ("streams: [{id: a, url: x, url_file: y}]", "streams[0]: give exactly one of url and url_file"),
        ("streams: [{id: a, url: x, max_fps: 0}]", "must be more than 0"),
        ("streams: [{id: a, url: x}, {id: b, url: y}, {id: a, url: z}]", "stream ids must differ; more than once: a"),
        ("streams: [{id: a, url: 'rtsp://${NOWHERE}/1'}]", "line 1: streams[0].url: variable NOWHERE is not set"),
        ("streams: [{id: a, url: 'rtsp://c/1', loop: true}]", "stream a: loop and realtime are for files"),
        ("streams: [{id: a, url: 'rtsp://c/1', tls_verify: true}]", "tls_ca are for rtsps and https addresses"),
        ("streams: [{id: a, url: 'rtsps://c/1', tls_ca: no/such.pem}]", "tls_ca: there is no file no/such.pem"),
        ("streams: [{id: a, url: c.mp4, region: [0.5, 0, 0.6, 1]}]", "reaches out of the picture"),
        ("streams: [{id: a, url: c.mp4, region: [0, 0, 1]}]", "streams[0].region"),
        ("streams: [{id: a, url_file: /nowhere/at/all}]", "url_file of stream a: cannot read /nowhere/at/all"),
        ("redis: {url: 'http://h'}", "must start with redis://, rediss:// or unix://"),
        ("redis: {password: a, password_file: b}", "redis: give password or password_file, not both"),
        ("redis: {password_file: /nowhere/at/all}", "redis.password_file: cannot read /nowhere/at/all: No such file"),
        ("redis: {maxlen: 500, max_age: 1h}", "give maxlen or max_age, not both"),
        ("redis: {mode: sentinel}", "mode sentinel needs sentinel_master"),
        ("web: {token: 0123456789abcdef, token_file: x}", "web: give token or token_file, not both"),
        ("publish: {target: file}", "publish: target file needs path"),
        ("publish: {path: x}", "publish: target file needs path"),
        ("shard: {index: 2, of: 2}", "shard: index must be below of: 0 to 1"),
        ("a: [", "line 1: this is no YAML"),
        ("web: {port: 1}\nweb: {port: 2}", "line 2: key web stands here a second time"),
        ("- a", "must hold sections"),
        ("web: {host: 2026-99-99}", "put it in quotes"),
        ("a: &a [*a]", "a: unknown key"),
    ],
)
def test_every_mistake_is_one_line_that_says_where_and_what(load: Load, text: str, told: str) -> None:
    assert told in mistake(load, text)


def test_a_variable_does_not_hide_a_section_that_is_none(load: Load) -> None:
    assert "redis: 5 is wrong" in mistake(load, "redis: 5", EMOTION_WORKER__REDIS__MAXLEN="500")


def test_all_mistakes_are_told_at_once(load: Load) -> None:
    lines = mistakes(load, "web: {port: -1}\nlogs: {level: loud}\nredsi: {}\n", EMOTION_WORKER__SHARD__OF="0")
    assert len(lines) == 4


def test_an_address_without_its_variable_is_told_once_beside_other_mistakes(load: Load) -> None:
    lines = mistakes(load, "redis: {url: '${REDIS_URL}', maxln: 1}", EMOTION_WORKER__REDSI__URL="x")
    assert len(lines) == 3
    assert sum("REDIS_URL is not set" in line for line in lines) == 1


def test_no_message_holds_a_secret(load: Load) -> None:
    text = """
redis: {url: 'http://user:hunter2@h', password: hunter2, password_file: x, token: hunter2}
web: {token: hunter2}
streams:
- {id: a, url: 'rtsp://admin:hunter2@h/1', max_fps: 'rtsp://admin:hunter2@h/1', url_file: x}
- {id: 'rtsp://admin:hunter2@h/1', url: x}
- {id: b, url: ['rtsp://admin:hunter2@h/1']}
"""
    assert "hunter2" not in "\n".join(mistakes(load, text))
    assert "hunter2" not in mistake(load, "redis: {password: 'hunter2\n")


def test_references_in_addresses_are_replaced(load: Load) -> None:
    text = "streams: [{id: a, url: 'rtsp://${USER_A}:${PW}@h/1'}]\nredis: {url: 'redis://:${PW}@h'}\n"
    settings = load(text, USER_A="admin", PW="hunter2")
    assert settings.streams[0].address == "rtsp://admin:hunter2@h/1"
    assert settings.redis.url.get_secret_value() == "redis://:hunter2@h"


def test_secrets_come_from_files(load: Load, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("  rtsp://admin:hunter2@h/1\n")
    settings = load(f"streams: [{{id: a, url_file: {secret}}}]\nredis: {{password_file: {secret}}}")
    assert settings.streams[0].address == "rtsp://admin:hunter2@h/1"
    assert settings.streams[0].live
    assert settings.redis.secret() == "rtsp://admin:hunter2@h/1"
    assert settings.web.secret() is None
    secret.write_text("\n")
    assert "is empty" in mistake(load, f"redis: {{password_file: {secret}}}")
    secret.write_bytes(b"\xff\xfe")
    assert "not UTF-8 text" in mistake(load, f"web: {{token_file: {secret}}}")


@pytest.mark.parametrize(
    ("options", "fps", "policy"),
    [
        ("url: 'rtsp://c/1'", 10.0, "keep_latest"),
        ("url: clip.mp4", None, "wait"),
        ("url: 'https://c/live.m3u8', max_fps: all", None, "keep_latest"),
        ("url: clip.mp4, max_fps: 2.5, policy: keep_latest", 2.5, "keep_latest"),
        ("url: 'rtsp://c/1', policy: wait", 10.0, "wait"),
        ("url: 'file:///clips/a.mp4'", None, "wait"),
    ],
)
def test_rate_and_policy_follow_the_kind_of_address(load: Load, options: str, fps: float | None, policy: str) -> None:
    stream = load(f"streams: [{{id: a, {options}}}]").streams[0]
    assert stream.fps_limit == fps
    assert stream.mailbox_policy == policy


@pytest.mark.parametrize(
    ("worker", "refused"),
    [
        ("{purpose: workplace}", True),
        ("{purpose: education}", True),
        ("{purpose: workplace, declared: safety}", False),
        ("{purpose: education, declared: medical}", False),
        ("{purpose: retail}", False),
        ("{}", False),
    ],
)
def test_a_forbidden_purpose_is_refused_with_the_law(load: Load, worker: str, refused: bool) -> None:
    if not refused:
        assert load(f"worker: {worker}").purpose_refused is None
        return
    with pytest.raises(PurposeRefused, match=r"AI Act, Article 5\(1\)\(f\)"):
        load(f"worker: {worker}")


def test_anchors_and_merged_keys_work(load: Load) -> None:
    text = "streams:\n- &cam {id: a, url: x, read_timeout: 3s}\n- {<<: *cam, id: b}\n"
    assert [(stream.id, stream.read_timeout) for stream in load(text).streams] == [("a", 3), ("b", 3)]


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    environ: Mapping[str, str] = {}
    with pytest.raises(SettingsError, match=r"cannot read settings .*absent\.yaml: No such file"):
        load_settings(tmp_path / "absent.yaml", environ)
    with pytest.raises(SettingsError, match="cannot read settings"):
        load_settings(tmp_path, environ)
    (tmp_path / "latin.yaml").write_bytes(b"worker: {name: caf\xe9}")
    with pytest.raises(SettingsError, match="is no UTF-8 text"):
        load_settings(tmp_path / "latin.yaml", environ)
    (tmp_path / "big.yaml").write_bytes(b"#" * (4 << 20) + b"#")
    with pytest.raises(SettingsError, match="4 MiB"):
        load_settings(tmp_path / "big.yaml", environ)


def test_only_own_streams_need_their_secrets(load: Load) -> None:
    """Each worker of a shared list mounts its own cameras' secrets."""
    text = "streams: [{id: lobby, url_file: /nowhere}, {id: yard, url: x}]\n"
    owner = shard_of("lobby", 4)
    assert shard_of("yard", 4) != owner
    assert "/nowhere" in mistake(load, f"{text}shard: {{index: {owner}, of: 4}}")
    assert [stream.id for stream in load(f"{text}shard: {{index: {shard_of('yard', 4)}, of: 4}}").own_streams] == [
        "yard"
    ]

"""Secrets leave no text; everything else stays as it is."""

from __future__ import annotations

import pytest

from worker.redact import redact

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"rtsp://admin:{SECRET}@10.0.0.9:554/h264", "rtsp://admin:***@10.0.0.9:554/h264"),
        (f"rtsp://admin:{SECRET}@x@10.0.0.9/h264", "rtsp://admin:***@10.0.0.9/h264"),
        (f"rtsp://admin:a/{SECRET}@10.0.0.9/h264", "rtsp://admin:***@10.0.0.9/h264"),
        (f"rtsp://admin:a/b@c#{SECRET}@10.0.0.9/h264", "rtsp://admin:***@10.0.0.9/h264"),
        (f"rtsp://admin:12;34/{SECRET}@10.0.0.9/h264", "rtsp://admin:***@10.0.0.9/h264"),
        (f"rtsp://admin:12,x {SECRET}@10.0.0.9/h264", "rtsp://admin:***@10.0.0.9/h264"),
        (f"rtsp://admin:a@b/{SECRET}@10.0.0.9/h264", "rtsp://admin:***@10.0.0.9/h264"),
        (f"rtsp://admin:a?{SECRET}=c@d@10.0.0.9/h264", "rtsp://admin:***@10.0.0.9/h264"),
        (f"rtsp://admin:it's{SECRET}@10.0.0.9/h264", "rtsp://admin:***@10.0.0.9/h264"),
        (f'rtsp://admin:a"{SECRET}@10.0.0.9/h264', "rtsp://admin:***@10.0.0.9/h264"),
        (f"rtsp://admin:my {SECRET}@10.0.0.9/h264", "rtsp://admin:***@10.0.0.9/h264"),
        (f"rtsp://o'neil:{SECRET}@10.0.0.9/h264", "rtsp://o'neil:***@10.0.0.9/h264"),
        (f"rtsp://ad'min:a@b'c {SECRET}@10.0.0.9/h264", "rtsp://ad'min:***@10.0.0.9/h264"),
        (f"redis://:it's{SECRET}@cache:6379/0", "redis://:***@cache:6379/0"),
        (f"redis://:{SECRET}@cache:6379/0", "redis://:***@cache:6379/0"),
        (f"https://{SECRET}@host/live.m3u8", "https://***@host/live.m3u8"),
        (f"http://cam/video?user=admin&password={SECRET}&ch=1", "http://cam/video?user=admin&password=***&ch=1"),
        (f"http://cam/video?pwd={SECRET}", "http://cam/video?pwd=***"),
        (f"http://cam/video?TOKEN={SECRET}#t=3", "http://cam/video?TOKEN=***#t=3"),
        (f"http://cam/video?password=it's{SECRET}&ch=1", "http://cam/video?password=***&ch=1"),
        (f"http://cam/cgi?loginuse=admin&loginpas={SECRET}", "http://cam/cgi?loginuse=admin&loginpas=***"),
        (
            f'{{"a":"rtsp://u:{SECRET}@h","b":"http://h?token={SECRET}","mail":"x@y"}}',
            '{"a":"rtsp://u:***@h","b":"http://h?token=***","mail":"x@y"}',
        ),
        (f"Authorization: Basic {SECRET}==", "Authorization: ***"),
        (f"sent Bearer {SECRET}{SECRET} to it", "sent Bearer *** to it"),
        (f'{{"redis_password": "{SECRET}", "port": 1}}', '{"redis_password": "***", "port": 1}'),
        (f"password: {SECRET}", "password: ***"),
        (
            f"[Errno 825242872] 401; last error log: 'rtsp://u:{SECRET}@h:1/a' and rtsp://v:{SECRET}@h:2/b",
            "[Errno 825242872] 401; last error log: 'rtsp://u:***@h:1/a' and rtsp://v:***@h:2/b",
        ),
    ],
)
def test_masks_the_secret_and_nothing_else(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://10.0.0.9:554/h264",
        "rtsp://10.0.0.9:554/cam@2",
        "http://host/video?channel=1&subtype=0",
        "file:///videos/a@b.mp4",
        "camera lobby: connection refused (10.0.0.9:554)",
        "wrote to ops@example.com",
        "http://camera:8080: no answer, ask ops@example.com",
        "http://camera:8080. Ask ops@example.com",
        "rtsp://camera: timeout; told ops@example.com",
        '{"url": "http://camera:8080", "mail": "ops@example.com"}',
        "'rtsp://camera/h264' is down, ask 'ops@example.com'",
        "",
    ],
)
def test_leaves_harmless_text_alone(text: str) -> None:
    assert redact(text) == text


def test_is_idempotent() -> None:
    once = redact(f"rtsp://u:{SECRET}@h/?token={SECRET} password={SECRET}")
    assert SECRET not in once
    assert redact(once) == once

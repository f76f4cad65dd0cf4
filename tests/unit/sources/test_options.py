"""What kind of source a URL is, and what may not be opened."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from worker.errors import SettingsError, SourceUnreachable
from worker.settings import StreamSettings
from worker.sources.file_frames import frames_of
from worker.sources.options import SourceOptions, check_source, is_live, is_pictures, local_path, scheme_of


@pytest.mark.parametrize(
    ("url", "scheme", "live"),
    [
        ("rtsp://host/live", "rtsp", True),
        ("RTSPS://host/live", "rtsps", True),
        ("https://host/live.m3u8", "https", True),
        ("/videos/a.mp4", "file", False),
        ("videos/a.mp4", "file", False),
        ("file:///videos/a.mp4", "file", False),
        ("concat:a|b", "concat", True),
        ("webcam:0", "webcam", True),
        ("WEBCAM:12", "webcam", True),
        ("/dev/video0", "webcam", True),
        ("/dev/v4l/by-id/usb-Maker_Camera_1-video-index0", "webcam", True),
        ("/videos/dev/video0", "file", False),
    ],
)
def test_schemes(url: str, scheme: str, live: bool) -> None:
    assert scheme_of(url) == scheme
    assert is_live(url) is live
    settings = StreamSettings.model_validate({"id": "a", "url": url})
    assert settings.live is (live and scheme != "concat"), "settings see it alike"


def test_a_file_whose_name_looks_like_a_scheme_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a:b.mp4").touch()
    assert scheme_of("a:b.mp4") == "file"


@pytest.mark.parametrize("url", ["x" * 5000, "y" * 300 + ".mp4", "a\0b", "foo:" + "z" * 5000])
def test_names_that_no_file_can_have(url: str) -> None:
    assert not is_pictures(url)
    assert scheme_of(url) == ("foo" if url.startswith("foo:") else "file")
    kind = SettingsError if url.startswith("foo:") else SourceUnreachable
    with pytest.raises(kind):
        next(frames_of(SourceOptions("s", url, live=False)))


@pytest.mark.parametrize("url", ["file:///v/a.mp4", "/v/a.mp4", "file:/v/a.mp4"])
def test_paths(url: str) -> None:
    assert local_path(url) == Path("/v/a.mp4")


def test_pictures_and_folders(tmp_path: Path) -> None:
    assert is_pictures(str(tmp_path))
    assert is_pictures("a.JPG")
    assert not is_pictures("a.mp4")
    assert not is_pictures("http://host/a.jpg")


@pytest.mark.parametrize("url", ["concat:a|b", "subfile:,,start,0,end,9,,:a", "async:file:a", "cache:a", "data:,x"])
def test_roundabout_ways_to_local_files_are_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="cannot have the scheme"):
        check_source(SourceOptions("s", url, live=True))


@pytest.mark.parametrize("url", ["v4l2:/dev/video0", "webcam:", "webcam:front", "webcam://0", "/dev/video0/../sda"])
def test_what_is_no_webcam_gets_one_clear_line(url: str) -> None:
    with pytest.raises(SettingsError, match="write webcam:0"):
        check_source(SourceOptions("s", url, live=True))


@pytest.mark.parametrize("url", ["webcam:0", "/dev/video0"])
def test_a_webcam_is_nothing_to_read_to_an_end(url: str) -> None:
    with pytest.raises(SettingsError, match="emotion-worker run"):
        next(frames_of(SourceOptions("s", url, live=True)))


def test_only_allowed_schemes() -> None:
    allowed = ("rtsp", "rtsps", "http", "https")
    assert check_source(SourceOptions("s", "rtsp://h/x", live=True, allowed_schemes=allowed)) == "rtsp"
    for url, scheme in (("/etc/passwd", "file"), ("webcam:0", "webcam"), ("/dev/video0", "webcam")):
        with pytest.raises(SettingsError, match=f"'{scheme}:' is not allowed here"):
            check_source(SourceOptions("s", url, live=True, allowed_schemes=allowed))


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://h",
        "RTSP://u:p@h:8554/x?a=b@c",
        "http://[fe80::1%25eth0]:80/",
        "udp://@239.0.0.1:1234",
        "udp://:1234",
        "rtsp://u:p@ss@h/x",
        "https://token@h:443",
        "rtsp://h:/x",
        "rtsp://u:a%2Fb@h/x",
    ],
)
def test_what_names_a_host_is_an_address(url: str) -> None:
    check_source(SourceOptions("s", url, live=True))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("rtsp://", "names no host: rtsp://HOST/PATH"),
        ("rtsp:///x", "names no host"),
        ("http://u:p@:80/x", "names no host"),
        ("rtsp://h:99999/x", "no valid port"),
        ("rtsp://h:0/x", "no valid port"),
        ("rtsp://h:port/x", "no valid port"),
        ("rtsp://u:pa/ss@h/x", "cannot hold '/'"),
        ("rtsp://u:pa#ss@h/x", "cannot hold '/'"),
        ("rtsp://u:p/a@s?s@h/x", "cannot hold '/'"),
    ],
)
def test_a_malformed_address_is_told_and_not_shown(url: str, says: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(says)) as told:
        check_source(SourceOptions("s", url, live=True))
    assert "ss@" not in str(told.value)

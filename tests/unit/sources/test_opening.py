"""What the library says, as one line of ours; never with a password."""

from __future__ import annotations

import os
from pathlib import Path

import av
import pytest

from worker.errors import SourceDenied, SourceError, SourceTimeout, SourceUnreachable, SourceUnreadable
from worker.sources.opening import open_container, translated
from worker.sources.options import SourceOptions

URL = "rtsp://admin:hunter2@10.0.0.9/live"
OPTIONS = SourceOptions("cam", URL, live=True)


@pytest.mark.parametrize(
    ("error", "elapsed", "kind", "says"),
    [
        (av.error.HTTPUnauthorizedError(1, f"401 {URL}", URL), 0.1, SourceDenied, "password refused"),
        (av.error.HTTPForbiddenError(1, "403", URL), 0.1, SourceDenied, "password refused"),
        (av.error.HTTPNotFoundError(1, "404", URL), 0.1, SourceUnreachable, "404"),
        (av.error.ConnectionRefusedError(111, "refused", URL), 0.1, SourceUnreachable, "connection refused"),
        (av.error.ProtocolNotFoundError(1, "no", URL), 0.1, SourceUnreachable, "not allowed or not built in"),
        (av.error.ExitError(1, "exit", URL), 0.1, SourceTimeout, "no answer within 5 s"),
        (av.error.TimeoutError(110, "slow", URL), 0.1, SourceTimeout, "no answer within 5 s"),
        (av.error.InvalidDataError(1, "bad", URL), 5.0, SourceTimeout, "no answer within 5 s"),
        (av.error.InvalidDataError(1, "bad", URL), 0.1, SourceUnreadable, "no video that can be read"),
        (av.error.OSError(5, f"I/O {URL}", URL), 0.1, SourceUnreachable, "host unknown"),
        (av.error.OSError(113, f"No route {URL}", URL), 0.1, SourceUnreachable, "cannot be reached"),
    ],
)
def test_errors_are_told_apart(error: av.FFmpegError, elapsed: float, kind: type[SourceError], says: str) -> None:
    ours = translated(error, OPTIONS, elapsed, 5.0)
    assert type(ours) is kind
    assert says in str(ours)
    assert "hunter2" not in str(ours)
    assert "\n" not in str(ours)


def test_an_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(b"\x07" * 4096)
    with pytest.raises(SourceUnreadable, match="not a video that can be read"):
        open_container(SourceOptions("s", str(path), live=False))


def test_a_folder_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="a folder"):
        open_container(SourceOptions("s", str(tmp_path), live=False))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "private.mp4"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(SourceUnreadable, match="no permission"):
        open_container(SourceOptions("s", str(path), live=False))


def test_a_playlist_on_disk_cannot_lead_elsewhere(tmp_path: Path) -> None:
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/secret.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(SourceUnreadable):
        open_container(SourceOptions("s", str(playlist), live=False))

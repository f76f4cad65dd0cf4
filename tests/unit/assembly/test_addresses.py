"""Addresses from the API where the settings name no folder of files: cameras on the network, and nothing else."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from worker.assembly.addresses import check_address
from worker.settings import WebSettings
from worker.web.answers import Refusal


@pytest.mark.parametrize(
    "url",
    [
        "webcam:0",
        "/dev/video0",
        "/dev/v4l/by-id/camera",
        "hall.mp4",
        "/etc/passwd",
        "file:/etc/passwd",
        "concat:/etc/passwd",
        "subfile,,start,0,end,9,,:/etc/passwd",
        "http:127.0.0.1:80",
        ".",
        "",
    ],
)
def test_no_file_and_no_device_is_added_unless_settings_name_a_folder(url: str) -> None:
    with pytest.raises(Refusal, match=r"only where web\.files names their folder") as caught:
        check_address(url, WebSettings())
    assert caught.value.status == 422


def test_a_folder_with_traps_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/etc/passwd")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "device").symlink_to("/dev/null")
    (tmp_path / "hall.mp4").touch()
    (tmp_path / "hall, north ü.mp4").touch()
    web = WebSettings(files=tmp_path)
    check_address("hall.mp4", web)
    check_address("hall, north ü.mp4", web)
    check_address(f"../{tmp_path.name}/hall.mp4", web)
    for url in ("out", "circle", "device", "circle/hall.mp4", "x" * 300, ".."):
        with pytest.raises(Refusal, match=r"no file in the folder web\.files"):
            check_address(url, web)


@pytest.mark.parametrize(
    "url", ["rtsp://192.0.2.1/x", "RTSPS://192.0.2.1:322/x", "https://viewer:a@b@192.0.2.1/x.m3u8"]
)
def test_cameras_on_the_network_may_be_added(url: str) -> None:
    check_address(url, WebSettings())


def test_who_writes_a_file_as_an_address_is_told_how(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as without:
        check_address("file:///etc/passwd", WebSettings())
    assert without.value.sentence == "url must start with rtsp://, rtsps://, http://, https://"
    with pytest.raises(Refusal, match=r", or be the name of a file in the folder web\.files$"):
        check_address("file:///etc/passwd", WebSettings(files=tmp_path))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "0.0.0.0"]
)
def test_no_way_of_writing_this_machine_is_allowed(host: str) -> None:
    with pytest.raises(Refusal, match="leads to this machine"):
        check_address(f"http://{host}:6379/x", WebSettings())


def test_this_machines_address_on_the_network_is_this_machine() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        try:
            outward.connect(("192.0.2.1", 9))  # no packet is sent
        except OSError:
            pytest.skip("this machine is on no network")
        own = outward.getsockname()[0]
    with pytest.raises(Refusal, match="leads to this machine"):
        check_address(f"http://{own}/x", WebSettings())

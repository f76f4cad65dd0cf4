"""Certificates over HTTPS: checked where settings say so, for their host, also behind a redirection. And
redirections of addresses that came from the API."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.integration.sources.conftest import made_certificate
from tests.unit.sources.counter import write_video
from worker.assembly.door import running_options, source_options
from worker.errors import SettingsError, SourceUnreachable
from worker.settings import Settings, StreamSettings
from worker.sources.opening import open_container
from worker.sources.options import check_source


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder; a path with `?URL` leads to that URL."""

    def do_GET(self) -> None:
        _, redirected, target = self.path.partition("?")
        if not redirected:
            super().do_GET()
            return
        self.send_response(302)
        self.send_header("Location", target)
        self.end_headers()

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the client goes as soon as it has seen the certificate, or enough
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A handshake that the client breaks off."""


@contextmanager
def web(folder: Path, certificate: Path | None) -> Iterator[str]:
    with Server(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, name="test-web", daemon=True)
        thread.start()
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(5)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_video(folder / "clip.mp4", 10)
    write_video(folder / "clip.ts", 10)
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:0.4,\nclip.ts\n#EXT-X-ENDLIST\n"
    (folder / "list.m3u8").write_text(playlist)
    return folder


def opens(url: str, **chosen: object) -> bool:
    """Whether a stream with these settings can be opened; False: its certificate is not trusted.

    Raises:
        SettingsError: these settings cannot be kept.
    """
    stream = StreamSettings.model_validate({"id": "cam", "url": url, "open_timeout": 5, **chosen})
    stream.check()
    try:
        open_container(source_options(stream, ((640, 384),))).close()
    except SourceUnreachable as error:
        if "certificate" in str(error) or "not allowed" in str(error):
            return False
        raise
    return True


def test_a_certificate_is_checked_where_settings_say_so(site: Path, certificate: Path, tmp_path: Path) -> None:
    other = made_certificate(tmp_path, "IP:127.0.0.1")
    with web(site, certificate) as url:
        clip = f"{url}/clip.mp4"
        assert opens(clip)
        assert opens(clip, tls_ca=str(certificate))
        assert opens(clip, tls_ca=str(certificate), tls_verify=True)
        assert not opens(clip, tls_ca=str(other))
        assert not opens(clip, tls_verify=True)


def test_a_certificate_of_another_host_is_refused(site: Path, tmp_path: Path) -> None:
    other = made_certificate(tmp_path, "DNS:camera.example")
    with web(site, other) as url:
        assert opens(f"{url}/clip.mp4")
        assert not opens(f"{url}/clip.mp4", tls_ca=str(other))


def test_the_systems_list_of_authorities_counts(site: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with web(site, certificate) as url:
        assert opens(f"{url}/clip.mp4", tls_verify=True)


def test_a_machine_without_a_list_says_so(site: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    with pytest.raises(SettingsError, match="no list of certificate authorities"):
        opens("https://127.0.0.1:9/clip.mp4", tls_verify=True)


def test_a_redirection_leads_to_no_place_that_is_checked_less(site: Path, certificate: Path, tmp_path: Path) -> None:
    doubtful = made_certificate(tmp_path, "IP:127.0.0.1")
    trust = {"tls_ca": str(certificate)}
    with web(site, certificate) as url, web(site, None) as plain, web(site, doubtful) as other:
        assert opens(f"{url}/a?{url}/clip.mp4", **trust)
        for target in (plain, other):
            assert opens(f"{url}/a?{target}/clip.mp4")
            assert not opens(f"{url}/a?{target}/clip.mp4", **trust)


def test_a_playlist_cannot_be_checked_and_is_refused(site: Path, certificate: Path) -> None:
    with web(site, certificate) as url:
        assert opens(f"{url}/list.m3u8")
        with pytest.raises(SettingsError, match="segments cannot be checked"):
            opens(f"{url}/list.m3u8", tls_ca=str(certificate))


@pytest.mark.parametrize("local_targets", [False, True])
def test_a_web_server_named_by_the_api_leads_nowhere_unless_local_targets_are_allowed(
    site: Path, local_targets: bool
) -> None:
    with web(site, None) as url:
        leads = {"id": "own", "url": f"{url}/a?{url}/clip.mp4"}
        settings = Settings.model_validate({"streams": [leads], "web": {"local_targets": local_targets}})
        (own,) = settings.own_streams
        added = StreamSettings.model_validate(leads | {"id": "added"})
        open_container(running_options(own, ((640, 384),), settings)).close()
        options = running_options(added, ((640, 384),), settings)
        if local_targets:
            open_container(options).close()
            return
        with pytest.raises(SourceUnreachable, match="the server leads elsewhere, which is not allowed here"):
            open_container(options)


@pytest.mark.parametrize(
    "url", ["udp://127.0.0.1:9000", "rtmp://camera.example/x", "clip.mp4", "file:clip.mp4", "webcam:0", "/dev/video0"]
)
def test_schemes_that_only_the_settings_file_may_use(url: str) -> None:
    stream = StreamSettings.model_validate({"id": "a", "url": url})
    own = Settings.model_validate({"streams": [{"id": "a", "url": url}]})
    other = Settings.model_validate({"streams": [{"id": "a", "url": "rtsp://camera.example/1"}]})
    check_source(running_options(stream, ((640, 384),), own))
    with pytest.raises(SettingsError, match="is not allowed here"):
        check_source(running_options(stream, ((640, 384),), other))

"""Open a container, and say in one line of our own what went wrong."""

from __future__ import annotations

import errno
import ssl
import time
from pathlib import Path

import av
from av.container import InputContainer

from worker.errors import SettingsError, SourceDenied, SourceError, SourceTimeout, SourceUnreachable, SourceUnreadable
from worker.redact import redact
from worker.sources.options import SourceOptions, check_source, exists, local_path

_RTSP_PROTOCOLS = "rtsp,rtp,srtp,udp,tcp,tls"
_HTTP_PROTOCOLS = "http,https,tcp,tls,crypto"
_PROTOCOLS = {
    "file": "file",
    "rtsp": _RTSP_PROTOCOLS,
    "rtsps": f"{_RTSP_PROTOCOLS},rtsps",
    "http": _HTTP_PROTOCOLS,
    "https": _HTTP_PROTOCOLS,
    "rtmp": "rtmp,rtmpt,tcp",
    "rtmps": "rtmps,rtmp,tls,tcp",
    "udp": "udp",
    "rtp": "rtp,udp",
}
"""FFmpeg protocols that each scheme may lead to: an HLS playlist must not read local files."""

_WITH_TLS = ("rtsps", "https", "rtmps")
_VERIFIED_HTTP_PROTOCOLS = "https,tcp,tls,crypto"
"""Where certificates are checked, a redirection must not lead to plain HTTP."""

_TIMEOUT_SHARE = 0.9
"""Share of the time-out after which an error counts as a time-out: FFmpeg reports several kinds of error then."""

_SOCKET_BUFFER = str(4 * 2**20)
"""Bytes that the kernel may hold for us (as far as it allows): a key frame over UDP comes in one burst."""


def open_container(options: SourceOptions) -> InputContainer:
    """Open the stream's file or URL.

    While opening, a time-out interrupts the library from Python; while RTSP is read, FFmpeg's own socket time-out
    does it instead, because the interrupt takes the interpreter's lock for each packet of each camera.

    Raises:
        SettingsError: this kind of source does not exist or is not allowed, or its certificate cannot be checked.
        SourceUnreachable, SourceTimeout, SourceDenied, SourceUnreadable: with one clear line, secrets masked.
    """
    scheme = check_source(options)
    if scheme == "file":
        return _open_file(options)
    if scheme == "webcam":
        raise SettingsError(f"{options.url}: a webcam is read by `emotion-worker run` and `emotion-worker demo` alone")
    started = time.monotonic()
    try:
        container = av.open(
            scheme + options.url[len(scheme) :],  # FFmpeg knows schemes in lower case alone
            options=_network_options(options, scheme),
            metadata_errors="replace",
            timeout=(options.open_timeout_s, None if scheme.startswith("rtsp") else options.read_timeout_s),
        )
    except av.FFmpegError as error:
        raise translated(error, options, time.monotonic() - started, options.open_timeout_s) from None
    if options.tls_verify and container.format.name in ("hls", "dash"):
        container.close()
        raise SettingsError(
            f"{options.stream}: the certificates of a playlist's segments cannot be checked (FFmpeg checks the "
            "playlist's alone); take tls_verify and tls_ca away, or another address of the camera"
        )
    return container


def translated(error: av.FFmpegError, options: SourceOptions, elapsed_s: float, timeout_s: float) -> SourceError:
    """The library's error as ours. Its text may hold the URL with its password and is never used as it is.

    Args:
        elapsed_s, timeout_s: how long the failing call took and how long it might take.
    """
    where = redact(options.url)
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return SourceDenied(f"{where}: user name or password refused; check them, and that the account is not locked")
    if isinstance(error, av.error.HTTPNotFoundError):
        return SourceUnreachable(f"{where}: the server answers, but has nothing at this path (404); check the path")
    if isinstance(error, av.error.ProtocolNotFoundError):
        return SourceUnreachable(f"{where}: it leads to a protocol that is not allowed or not built in")
    if isinstance(error, ConnectionRefusedError):
        return SourceUnreachable(f"{where}: connection refused; is the camera on, and is the port right?")
    if isinstance(error, av.error.ExitError | TimeoutError) or elapsed_s >= timeout_s * _TIMEOUT_SHARE:
        return SourceTimeout(f"{where}: no answer within {timeout_s:g} s; is the camera on and reachable from here?")
    if isinstance(error, av.error.InvalidDataError):
        return SourceUnreadable(f"{where}: what is there is no video that can be read")
    reason = _reason(error)
    if error.errno == errno.EIO and not options.redirects:
        reason += "; or the server leads elsewhere, which is not allowed here"
    return SourceUnreachable(f"{where}: cannot be reached ({reason}); check the address and the network")


def _reason(error: av.FFmpegError) -> str:
    """The error in a few words that cannot hold a secret."""
    if error.errno == errno.EIO:
        return "host unknown, connection broken, or its certificate is not trusted"
    if error.errno == errno.EINVAL:
        return "the address is wrong, or leads on to one that is not allowed"
    return redact(error.strerror or type(error).__name__)


def _open_file(options: SourceOptions) -> InputContainer:
    path = local_path(options.url)
    if not exists(path):
        raise SourceUnreachable(f"{path}: no such file")
    if path.is_dir():
        raise SourceUnreadable(f"{path}: a folder, not a video")
    if not path.stat().st_size:
        raise SourceUnreadable(f"{path}: the file is empty")
    try:
        # the prefix keeps FFmpeg from reading more into a name than a name
        allowed = {"protocol_whitelist": _PROTOCOLS["file"]}
        return av.open(f"file:{path}", options=allowed, metadata_errors="replace")
    except PermissionError:
        raise SourceUnreadable(f"{path}: no permission to read it") from None
    except av.FFmpegError as error:
        raise SourceUnreadable(f"{path}: {_why_unreadable(path, error)}") from None


def _why_unreadable(path: Path, error: av.FFmpegError) -> str:
    with path.open("rb") as file:
        head = file.read(512).lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "a web page, not a video"
    if head[4:8] == b"ftyp":
        return "an MP4 file without its index: it was cut off before it was finished; record or copy it again"
    return f"not a video that can be read ({_reason(error)})"


def _network_options(options: SourceOptions, scheme: str) -> dict[str, str]:
    """FFmpeg's options, all as text.

    RTSP: only video is asked for (sound costs bandwidth, and a silent metadata track would hold up the opening).
    The frame rate is not probed: that holds back the first 20 frames and hands them over in one burst (opening takes
    0.1-0.3 s without it, 0.9-1.1 s with it, same frames in the same order).
    """
    verified_http = options.tls_verify and scheme == "https"
    chosen = {"protocol_whitelist": _VERIFIED_HTTP_PROTOCOLS if verified_http else _PROTOCOLS[scheme]}
    read_us = str(int(options.read_timeout_s * 1e6))
    if scheme.startswith("rtsp"):
        chosen |= {
            "rtsp_transport": options.transport,
            "timeout": read_us,
            "allowed_media_types": "video",
            "fpsprobesize": "0",
            "buffer_size": _SOCKET_BUFFER,
        }
    elif scheme.startswith("http"):
        chosen |= {"rw_timeout": read_us} | ({} if options.redirects else {"max_redirects": "0"})
    if scheme in _WITH_TLS:
        chosen |= {"tls_verify": "1", "ca_file": _authorities(options)} if options.tls_verify else {"tls_verify": "0"}
    return chosen


def _authorities(options: SourceOptions) -> str:
    """The file of certificate authorities. The video library's wheels know no list of the system: Python's is given.

    Raises:
        SettingsError: this machine has none.
    """
    found = options.ca_file or ssl.get_default_verify_paths().cafile
    if found is None:
        raise SettingsError(
            f"{options.stream}: this machine has no list of certificate authorities: give the camera's with tls_ca, "
            "or install ca-certificates"
        )
    return found

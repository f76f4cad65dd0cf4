"""What one stream needs to be opened: plain values, checked once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from worker.errors import SettingsError
from worker.frame import Region
from worker.redact import redact

SCHEMES = ("file", "rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "udp", "rtp", "webcam")
"""URL schemes that can be opened; FFmpeg knows more, and some of them read local files in roundabout ways."""

WEBCAMS = ("webcam:", "/dev/video", "/dev/v4l/")
"""How addresses of webcams of this machine begin; all are of the scheme `webcam`."""

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})

_WEBCAM = re.compile(r"webcam:\d{1,3}|/dev/video\d{1,3}|/dev/v4l/by-(id|path)/[^/]+", re.IGNORECASE)
_PLACE = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]*)(?::(\d{0,9}))?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How one stream is opened and read.

    Attributes:
        stream: the stream's id.
        url: a URL, a webcam, a file, a picture or a folder of pictures.
        live: the source goes on whether it is read or not: it is watched and reconnected, never waited for.
        transport: how RTSP carries RTP.
        open_timeout_s, read_timeout_s: longest silence while opening, and between two frames, in seconds.
        max_fps: most frames a second that are handed over; None: all.
        decode: `keyframes` decodes key frames alone (the others are not in the ledger).
        loop: a file starts again at its end, within the same run.
        realtime: a file is read at the pace of its media time.
        shapes: the detector's input shapes as (width, height), at least one.
        region: the part of the upright picture that the detector sees; None: all of it.
        keep_picture: also hand over the upright picture in colour.
        deterministic_run: the run's id is derived from the file's content, and no frame carries wall time but
            `start_time` + media time.
        start_time: Unix seconds at which a file's media time 0 was recorded; None: unknown.
        decoder_threads: decoder threads of this stream.
        tls_verify: refuse a certificate that is of another host or that `ca_file` does not vouch for.
        ca_file: PEM file of certificate authorities; None: the system's list.
        allowed_schemes: URL schemes that this stream may use; None: all of `SCHEMES`.
        redirects: a web server may lead on to another address.
    """

    stream: str
    url: str
    live: bool
    transport: Literal["tcp", "udp"] = "tcp"
    open_timeout_s: float = 10.0
    read_timeout_s: float = 10.0
    max_fps: float | None = None
    decode: Literal["all", "keyframes"] = "all"
    loop: bool = False
    realtime: bool = False
    shapes: tuple[tuple[int, int], ...] = ((640, 384),)
    region: Region | None = None
    keep_picture: bool = False
    deterministic_run: bool = False
    start_time: float | None = None
    decoder_threads: int = 1
    tls_verify: bool = False
    ca_file: str | None = None
    allowed_schemes: tuple[str, ...] | None = None
    redirects: bool = True


def scheme_of(url: str) -> str:
    """The scheme of `url` in lower case; `file` for a path, `webcam` for that of a webcam."""
    if url.lower().startswith(WEBCAMS):
        return "webcam"
    found = _SCHEME.match(url)
    scheme = found[1].lower() if found else "file"
    return "file" if scheme not in SCHEMES and exists(Path(url)) else scheme


def local_path(url: str) -> Path:
    """The path that a `file` URL or a plain path means."""
    return Path(re.sub(r"^file:(//(?=/))?", "", url, flags=re.IGNORECASE))


def is_live(url: str) -> bool:
    """True where the source runs on whether it is read or not: everything but files, pictures and folders."""
    return scheme_of(url) != "file"


def is_pictures(url: str) -> bool:
    """True where `url` is a picture file or a folder (of pictures)."""
    if scheme_of(url) != "file":
        return False
    path = local_path(url)
    return path.suffix.lower() in PICTURE_SUFFIXES or (exists(path) and path.is_dir())


def is_webcam(url: str) -> bool:
    """True where `url` is a webcam of this machine."""
    return scheme_of(url) == "webcam"


def exists(path: Path) -> bool:
    """True if there is something at `path` that can be seen; False also for names that no file can have."""
    try:
        return path.exists()
    except OSError:
        return False


def check_source(options: SourceOptions) -> str:
    """The scheme of the stream's URL.

    Raises:
        SettingsError: no source of that kind exists, this stream may not use it, or the address is malformed.
    """
    scheme = scheme_of(options.url)
    if scheme in ("v4l2", "video4linux2") or (scheme == "webcam" and not _WEBCAM.fullmatch(options.url)):
        raise SettingsError(f"{options.stream}: {redact(options.url)} is no webcam: write webcam:0, 0 being its number")
    if scheme not in SCHEMES:
        raise SettingsError(f"{options.stream}: a source cannot have the scheme '{scheme}:'; use {', '.join(SCHEMES)}")
    if options.allowed_schemes is not None and scheme not in options.allowed_schemes:
        allowed = ", ".join(options.allowed_schemes)
        raise SettingsError(f"{options.stream}: '{scheme}:' is not allowed here; use {allowed}")
    if scheme not in ("file", "webcam"):
        _check_host(options, scheme)
    return scheme


def _check_host(options: SourceOptions, scheme: str) -> None:
    """Raise SettingsError unless a host, and perhaps a port, stands where it belongs. No message shows the address."""
    rest = options.url[len(scheme) + 1 :].removeprefix("//")
    place = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    found = _PLACE.fullmatch(place)
    if found is None and "@" in rest[len(place) :]:
        raise SettingsError(
            f"{options.stream}: a user name or password in an address cannot hold '/', '?' or '#': write %2F, %3F, %23 "
            "(or put it into a variable, ${NAME}, as it is)"
        )
    if found is None or not 0 < int(found[2] or 1) < 65536:
        raise SettingsError(f"{options.stream}: the address has no valid port: after the host, ':' and 1 to 65535")
    if not found[1] and scheme not in ("udp", "rtp"):
        raise SettingsError(f"{options.stream}: the address names no host: {scheme}://HOST/PATH")

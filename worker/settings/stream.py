"""One stream: a camera or a file with an id."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from worker.errors import SettingsError
from worker.settings.section import Section, read_secret_file
from worker.settings.values import STREAM_ID, Duration, Fps, Kind, SecretUrl

LIVE_SCHEMES = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "rtp", "webcam"})
WEBCAMS = ("webcam:", "/dev/video", "/dev/v4l/")
"""How addresses of webcams of this machine begin."""
LIVE_FPS = 10.0

_Share = Annotated[float, Field(ge=0, le=1)]
_Length = Annotated[float, Field(ge=0.01, le=1)]


def _inside(region: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x, y, width, height = region
    if max(x + width, y + height) > 1 + 1e-9:
        raise ValueError("[x, y, width, height] reaches out of the picture: x + width and y + height are at most 1")
    return region


PictureRegion = Annotated[
    tuple[_Share, _Share, _Length, _Length], Kind("[x, y, width, height]"), AfterValidator(_inside)
]


class StreamSettings(Section):
    """One camera or file. Exactly one of `url` and `url_file` is given."""

    id: str = Field(
        pattern=STREAM_ID,
        description="Name of the stream in records, keys of Redis and metrics: 1 to 64 of A-Z a-z 0-9 _ . -, the first "
        "no dot",
    )
    url: SecretUrl | None = Field(
        None,
        description="rtsp, rtsps, http or https address (rtmp, rtmps, udp and rtp are read, too); "
        "`webcam:0` for a webcam of this machine (0 is its number; "
        "also /dev/video0 or a name under /dev/v4l/by-id); or the path of a file or of a folder of pictures (read "
        "by name as the frames of one film; single photos are for `analyze`). "
        "`${NAME}` is replaced by that variable of the environment. Give this or `url_file`.",
    )
    url_file: Path | None = Field(
        None, description="File that holds the address (a mounted secret). Give this or `url`."
    )
    transport: Literal["tcp", "udp"] = Field(
        "tcp", description="How RTSP carries its packets. UDP loses packets on a busy network."
    )
    open_timeout: Duration = Field(
        10.0, ge=0.1, le=300, description="Longest time to connect and find the video, 100ms to 5m."
    )
    read_timeout: Duration = Field(
        10.0, ge=0.1, le=300, description="A live stream without a packet for this long is stalled and opened again."
    )
    max_fps: Fps = Field(
        None,
        gt=0,
        description="Frames a second that are analysed, or `all`; the rest is counted as skipped. "
        "`auto` is 10 for live streams and `all` for files.",
    )
    decode: Literal["all", "keyframes"] = Field(
        "all",
        description="`keyframes` decodes only those: about nine times cheaper, for about one frame a second. "
        "Frames that are not decoded are not in the ledger.",
    )
    policy: Literal["auto", "keep_latest", "wait"] = Field(
        "auto",
        description="What happens to a frame that comes before its forerunner is analysed: `keep_latest` replaces "
        "that one (counted as superseded), `wait` makes the source wait. `auto` is `keep_latest` for live streams "
        "and `wait` for files.",
    )
    tls_verify: bool = Field(
        False,
        description="Whether the certificate of an rtsps or https address is checked: that an authority of `tls_ca` "
        "(or of the system's list) signed it, and for this host. Off, the connection is encrypted, but anybody on "
        "the way may pose as the camera and read its password. It is off because cameras are shipped with "
        "certificates that they signed themselves for no name: checked by default, no such camera could be seen.",
    )
    tls_ca: Path | None = Field(
        None,
        description="PEM file with the authority that signed the camera's certificate, or with that certificate "
        "itself if it names this host. Given, the certificate is checked (`tls_verify`).",
    )
    loop: bool = Field(False, description="Start a file again at its end, as one endless run.")
    realtime: bool = Field(False, description="Read a file at the pace of its own clock instead of as fast as can be.")
    region: PictureRegion | None = Field(
        None,
        description="The part of the picture in which faces are looked for, as shares 0 to 1 of the upright picture: "
        "[0.25, 0.5, 0.5, 0.5] is the middle of its lower half. The detector sees only that part, larger, so that "
        "smaller faces are found. Boxes stay in pixels of the whole picture. Empty: the whole picture.",
    )
    min_face_px: float = Field(
        0.0,
        ge=0,
        le=10_000,
        description="Faces smaller than this get no emotion (`too_small`), in px of the full picture (geometric mean "
        "of the box's sides). 0 leaves it to `events.gates`.",
    )

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.url is None) == (self.url_file is None):
            raise ValueError("give exactly one of url and url_file")
        return self

    @cached_property
    def address(self) -> str:
        """The address with its password: for opening only, never for a message.

        Raises:
            SettingsError: `url_file` cannot be read or is empty.
        """
        if self.url is not None:
            return self.url.get_secret_value()
        assert self.url_file is not None
        return read_secret_file(self.url_file, f"url_file of stream {self.id}")

    @property
    def live(self) -> bool:
        """True for network addresses and webcams, False for files and folders."""
        if self.is_webcam:
            return True
        scheme, found, _ = self.address.partition("://")
        return bool(found) and scheme.lower() in LIVE_SCHEMES

    @property
    def is_webcam(self) -> bool:
        """True for webcams of this machine."""
        return self.address.lower().startswith(WEBCAMS)

    @property
    def fps_limit(self) -> float | None:
        """Frames a second to analyse; None: all."""
        if self.max_fps is None:
            return LIVE_FPS if self.live else None
        return None if math.isinf(self.max_fps) else self.max_fps

    @property
    def mailbox_policy(self) -> Literal["keep_latest", "wait"]:
        """`policy` with `auto` decided."""
        if self.policy == "auto":
            return "keep_latest" if self.live else "wait"
        return self.policy

    def check(self) -> None:
        """Find what only this machine can tell.

        Raises:
            SettingsError: the address or `tls_ca` cannot be had, or options contradict its kind.
        """
        if self.tls_verify or self.tls_ca is not None:
            self._check_tls()
        if self.live and (self.loop or self.realtime):
            raise SettingsError(f"stream {self.id}: loop and realtime are for files, and its address is a live stream")
        if self.is_webcam and self.decode == "keyframes":
            raise SettingsError(f"stream {self.id}: decode: keyframes is not for webcams; thin it with max_fps")

    def _check_tls(self) -> None:
        if self.address.partition("://")[0].lower() not in ("rtsps", "https"):
            raise SettingsError(
                f"stream {self.id}: tls_verify and tls_ca are for rtsps and https addresses, and its address is neither"
            )
        if self.tls_ca is not None and not self.tls_ca.is_file():
            raise SettingsError(f"stream {self.id}: tls_ca: there is no file {self.tls_ca}")

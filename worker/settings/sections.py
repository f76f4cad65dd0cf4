"""The sections of the settings, one a room. Every field's description stands in docs/settings.md and the example."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from worker.settings.section import Section, secret_from
from worker.settings.values import (
    SHIPPED,
    AutoDuration,
    AutoFloat,
    AutoInt,
    ClassifierDir,
    DetectorDir,
    Duration,
    SecretUrl,
    Words,
    WorkerName,
    host_name,
)

Purpose = Literal[
    "research", "demonstration", "personal", "art", "audience", "retail", "vehicle", "health", "public_space",
    "workplace", "education", "other",
]  # fmt: skip


class WorkerSettings(Section):
    """Who this worker is, and what it is for."""

    name: WorkerName = Field(
        default_factory=host_name,
        pattern=r"^[A-Za-z0-9_.-]{1,64}$",
        description="Name of this worker in records; unlike that of every other worker on the same Redis. "
        "`auto` is the machine's name.",
    )
    purpose: Purpose | None = Field(
        None,
        description="What this deployment is for. `workplace` and `education` are refused unless `declared` says "
        "that the use is medical or for safety (EU AI Act, Article 5(1)(f)).",
    )
    declared: Literal["medical", "safety"] | None = Field(
        None, description="Declares that emotions are inferred for medical or safety reasons. Empty: they are not."
    )


class ModelsSettings(Section):
    """Which networks see and judge faces, and on what they run."""

    detector: DetectorDir = Field(
        SHIPPED / "detector", description="Folder of the face detector's bundle. `shipped` is the one in the package."
    )
    classifier: ClassifierDir = Field(
        SHIPPED / "classifier",
        description="Folder of the emotion classifier's bundle. `shipped` is the one in the package.",
    )
    backend: Literal["auto", "openvino", "torch"] = Field(
        "auto", description="Inference runtime. `auto` is torch where it sees a CUDA device, else OpenVINO."
    )
    compute_precision: Literal["auto", "f32"] = Field(
        "auto",
        description="Arithmetic of the networks. `auto` is what the device does best (bf16 or f32 on a CPU, fp16 on "
        "CUDA); f32 gives the same numbers on every machine.",
    )
    threads: AutoInt = Field(
        None, ge=1, le=256, description="CPU threads of inference, 1 to 256. `auto` leaves it to the runtime."
    )


class PipelineSettings(Section):
    """How frames wait, gather and leave."""

    max_batch: int = Field(8, ge=1, le=64, description="Most frames that are detected together, 1 to 64.")
    max_wait: AutoDuration = Field(
        None,
        ge=0,
        le=1,
        description="How long a batch waits for more frames, 0 to 1s. `auto` is 0s on a CPU, where batches gain "
        "nothing, and 5ms on CUDA.",
    )
    wait_frames: int = Field(
        4, ge=1, le=64, description="Decoded frames that wait for analysis in each stream of policy `wait`, 1 to 64."
    )
    stop_deadline: Duration = Field(
        10.0, ge=0.5, le=300, description="Time to finish what is under way when asked to stop, 500ms to 5m."
    )


class GateSettings(Section):
    """When the worker abstains from saying an emotion. `auto` is the limit in the classifier's bundle."""

    size_px: AutoFloat = Field(
        None, ge=0, le=10_000, description="`too_small` below this: geometric mean of the box's sides in px."
    )
    sharpness: AutoFloat = Field(None, ge=0, le=1, description="`blurred` below this sharpness, 0 to 1.")
    brightness: AutoFloat = Field(None, ge=0, le=1, description="`dark` below this mean brightness, 0 to 1.")
    inside: AutoFloat = Field(
        None, ge=0, le=1, description="`partial` when less than this share of the box is inside the picture, 0 to 1."
    )
    confidence: AutoFloat = Field(
        None, ge=0, le=1, description="`low_confidence` below this calibrated probability of the best emotion, 0 to 1."
    )


class EventsSettings(Section):
    """How readings become statements."""

    smoothing_half_life: Duration = Field(
        0.4, ge=0.01, le=60, description="Time in which an old reading loses half its weight in `stable`, 10ms to 1m."
    )
    gates: GateSettings = Field(default_factory=GateSettings, description="Limits below which the worker abstains.")


class PublishSettings(Section):
    """Where records go."""

    target: Literal["redis", "file", "stdout"] = Field(
        "redis", description="`redis` (streams), `file` or `stdout` (one JSON record a line)."
    )
    path: Path | None = Field(None, description="File of target `file`; records are appended to it.")
    queue_records: int = Field(
        1000,
        ge=8,
        le=1_000_000,
        description="Records of each stream that wait in memory while Redis is away, 8 to 1000000 (about 1 kB each). "
        "When full, a file waits and a live stream drops its oldest, told by a gap record.",
    )

    @model_validator(mode="after")
    def _path_fits_target(self) -> Self:
        if (self.target == "file") != (self.path is not None):
            raise ValueError("target file needs path, and only that target has one")
        return self


class RedisSettings(Section):
    """The Redis that keeps the records."""

    url: SecretUrl = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="redis, rediss (TLS) or unix address; several host:port with commas between are sentinels, or "
        "cluster nodes to begin with. `${NAME}` is replaced by that variable of the environment.",
    )
    mode: Literal["standalone", "sentinel", "cluster"] = Field("standalone", description="What answers at `url`.")
    sentinel_master: str | None = Field(None, description="Name of the master that the sentinels watch.")
    username: str | None = Field(None, description="User name (ACL), if it is not in `url`.")
    password: SecretStr | None = Field(None, description="Password, if it is not in `url`. Better: `password_file`.")
    password_file: Path | None = Field(None, description="File that holds the password (a mounted secret).")
    tls_ca: Path | None = Field(
        None, description="PEM file with the authority that signed the server's certificate. Empty: the system's."
    )
    maxlen: int = Field(
        36_000,
        ge=100,
        le=100_000_000,
        description="Newest records that Redis keeps of each stream, approximately: 36000 is an hour at 10 fps and "
        "about 36 MB.",
    )
    max_age: Duration | None = Field(
        None, ge=60, description="Keep records for this long instead of `maxlen`, 1m or more."
    )
    hold_for_groups: Words = Field(
        (), description="Consumer groups that must have read a record before files may push it out."
    )
    connect_timeout: Duration = Field(2.0, ge=0.1, le=60, description="Longest time to connect, 100ms to 1m.")
    reply_timeout: Duration = Field(5.0, ge=0.1, le=60, description="Longest time to wait for an answer, 100ms to 1m.")

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return url

    @model_validator(mode="after")
    def _no_contradiction(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        if self.max_age is not None and "maxlen" in self.model_fields_set:
            raise ValueError("give maxlen or max_age, not both")
        if (self.mode == "sentinel") != (self.sentinel_master is not None):
            raise ValueError("mode sentinel needs sentinel_master, and only that mode has one")
        return self

    def secret(self) -> str | None:
        """The password from `password` or `password_file`; None where neither is given.

        Raises:
            SettingsError: the file cannot be read or is empty.
        """
        return secret_from(self.password, self.password_file, "redis.password_file")


class WebSettings(Section):
    """The HTTP port: pages, API, metrics and health."""

    enabled: bool = Field(True, description="Open the port.")
    host: str = Field(
        "127.0.0.1",
        description="Address to bind. On others than loopback everything but health and metrics needs the token.",
    )
    port: int = Field(8080, ge=0, le=65535, description="Port to bind; 0 takes a free one (it is logged).")
    allowed_hosts: Words = Field(
        (),
        description="Names by which clients may call this port (header Host), beside IP addresses, localhost and the "
        "machine's name.",
    )
    token: SecretStr | None = Field(
        None, min_length=16, description="Bearer token, 16 characters or more. Better: `token_file`."
    )
    token_file: Path | None = Field(None, description="File that holds the token (a mounted secret).")
    preview: Literal["off", "blurred", "clear"] = Field(
        "off",
        description="Small pictures of the streams on the live page. `blurred`: faces that were found are made "
        "unrecognisable (those that were missed are not). Nothing is drawn while nobody looks.",
    )
    changes: bool = Field(
        False,
        description="Let the API add, change and remove streams. Where there is a token, only with it; on addresses "
        "other than loopback there must be one.",
    )
    state_file: Path | None = Field(
        None,
        description="File in which the API's changes are kept (with addresses and their passwords, mode 0600), so that "
        "they survive a restart; it wins over the list of streams. Empty: they are gone then.",
    )
    files: Path | None = Field(
        None, description="Folder from which the API may add files as streams. Empty: only addresses of the network."
    )
    local_targets: bool = Field(
        False, description="Let the API add addresses of this machine and link-local ones as well."
    )

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if self.token is not None and self.token_file is not None:
            raise ValueError("give token or token_file, not both")
        return self

    def secret(self) -> str | None:
        """The token from `token` or `token_file`; None where neither is given.

        Raises:
            SettingsError: the file cannot be read or is empty.
        """
        return secret_from(self.token, self.token_file, "web.token_file")


class LogsSettings(Section):
    """What is logged, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is shown.")
    format: Literal["auto", "json", "console"] = Field(
        "auto", description="`json`: one object a line. `auto` is `console` on a terminal, else `json`."
    )


class ShardSettings(Section):
    """This worker's share of a list of streams that several workers read."""

    index: int = Field(0, ge=0, le=9999, description="Number of this worker, from 0.")
    of: int = Field(1, ge=1, le=10_000, description="How many workers share the list; 1: this one takes all.")

    @model_validator(mode="after")
    def _index_is_below(self) -> Self:
        if self.index >= self.of:
            raise ValueError(f"index must be below of: 0 to {self.of - 1}")
        return self

"""Opens the port with metrics and health, and answers how the worker is."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.metadata import version

import av

from worker import __version__
from worker.clock import Clock
from worker.errors import SettingsError
from worker.frame import State
from worker.settings import WebSettings
from worker.web.desks import Desks
from worker.web.guard import is_loopback
from worker.web.health import Health, Verdict, liveness, readiness
from worker.web.metrics import Metrics
from worker.web.pages import Home
from worker.web.server import Access, WebServer, create_app

BEAT_LIMIT_S = 30.0
"""A thread that has not moved for this long is stuck: the worker is not live any more."""


@dataclass(slots=True)
class Vitals:
    """What health is judged by. The main thread fills it in while the worker starts and stops.

    Attributes:
        warm: models are warm and streams may come; False again when the worker stops.
        beats: how to read each thread's last move, in monotonic seconds, by the thread's name.
        target_up: whether the target takes records.
        room: whether the queues have room for more.
        streams: where each stream stands.
    """

    clock: Clock
    warm: bool = False
    beats: dict[str, Callable[[], float]] = field(default_factory=dict)
    target_up: Callable[[], bool] = lambda: True
    room: Callable[[], bool] = lambda: True
    streams: Callable[[], Mapping[str, State]] = dict

    def stuck(self) -> Verdict:
        """Whether every thread moves, and which do not."""
        now = self.clock.monotonic()
        return liveness({name: now - beat() for name, beat in dict(self.beats).items()}, BEAT_LIMIT_S)

    def ready(self) -> Verdict:
        """Whether the worker does its work."""
        return readiness(models_warm=self.warm, redis_up=self.target_up(), room=self.room(), streams=self.streams())

    def started(self) -> Verdict:
        """Whether the worker has come up."""
        return self.warm, [] if self.warm else ["models are not warm yet"]

    def health(self) -> Health:
        """The three questions for the port."""
        return Health(live=self.stuck, ready=self.ready, started=self.started)


@dataclass(frozen=True, slots=True)
class Window:
    """The metrics, the server that shows them where the port is enabled, and what can be asked there."""

    metrics: Metrics
    server: WebServer | None
    desks: Desks

    def stop(self, seconds: float) -> bool:
        """Close the port; False: its thread still runs."""
        return self.server is None or self.server.stop(seconds)


def open_window(
    settings: WebSettings, vitals: Vitals, failed: Callable[[BaseException], None], home: Home = "live"
) -> Window:
    """Make the metrics and open the port; `home`: which page is at `/`.

    Raises:
        PortError: the port cannot be had.
        SettingsError: the token's file cannot be read, or the address needs a token.
    """
    metrics, desks = Metrics(vitals.clock, build_labels()), Desks(examples=_examples())
    if not settings.enabled:
        return Window(metrics, None, desks)
    app = create_app(metrics.registry, vitals.health(), desks, access_of(settings), home)
    server = WebServer(app, settings.host, settings.port, failed)
    server.start()
    return Window(metrics, server, desks)


def _examples() -> dict[str, bytes]:
    """The demo's two portraits, by file name."""
    folder = resources.files("worker.demo")
    return {name: folder.joinpath(name).read_bytes() for name in ("grace_hopper.jpg", "eileen_collins.jpg")}


def access_of(settings: WebSettings) -> Access:
    """Who may ask the port what.

    Raises:
        SettingsError: the token's file cannot be read, or the address needs a token.
    """
    access = Access(settings.host, settings.allowed_hosts, settings.secret(), settings.changes)
    if access.changes and access.token is None and not is_loopback(access.host):
        raise SettingsError(
            f"web.changes is true and web.host is {access.host}: whoever reaches the port could change streams; "
            "set web.token_file, or web.host to 127.0.0.1, or web.changes to false"
        )
    return access


def build_labels() -> dict[str, str]:
    """Labels of `build_info`."""
    codec = ".".join(str(part) for part in av.library_versions["libavcodec"])
    return {
        "version": __version__,
        "python": platform.python_version(),
        "av": av.__version__,
        "libavcodec": codec,
        "openvino": version("openvino"),
    }

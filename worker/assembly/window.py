"""Opens the port with metrics and health, and answers how the worker is."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

import av

from worker import __version__
from worker.clock import Clock
from worker.frame import State
from worker.settings import WebSettings
from worker.web.health import Health, Verdict, liveness, readiness
from worker.web.metrics import Metrics
from worker.web.server import WebServer, create_app

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
    """The metrics, and the server that shows them where the port is enabled."""

    metrics: Metrics
    server: WebServer | None

    def stop(self, seconds: float) -> bool:
        """Close the port; False: its thread still runs."""
        return self.server is None or self.server.stop(seconds)


def open_window(settings: WebSettings, vitals: Vitals, failed: Callable[[BaseException], None]) -> Window:
    """Make the metrics and open the port.

    Raises:
        PortError: the port cannot be had.
        SettingsError: the token's file cannot be read, or the address needs a token.
    """
    metrics = Metrics(vitals.clock, build_labels())
    if not settings.enabled:
        return Window(metrics, None)
    app = create_app(
        metrics.registry,
        vitals.health(),
        host=settings.host,
        allowed_hosts=settings.allowed_hosts,
        token=settings.secret(),
    )
    server = WebServer(app, settings.host, settings.port, failed)
    server.start()
    return Window(metrics, server)


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

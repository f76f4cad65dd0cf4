"""The HTTP port: one thread `web`, which `worker.assembly` starts first and stops last."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from worker import __version__
from worker.errors import PortError
from worker.web.answers import Faults, answer_plainly
from worker.web.desks import Desks
from worker.web.guard import OPEN_PATHS, Guard, SecurityHeaders
from worker.web.health import Health, health_routes, health_summary
from worker.web.limits import Limits, Rate
from worker.web.live import live_routes
from worker.web.openapi import add_openapi
from worker.web.pages import Home, page_routes
from worker.web.photo import MAX_BYTES, photo_routes
from worker.web.session import Keys, session_routes
from worker.web.streams import change_routes, stream_routes

START_S = 10.0
_DRAIN_S = 1
"""Seconds that answers under way get when the port closes."""
_ABOUT = (
    "What one worker sees, and how its streams are changed while it runs. Emotions say how faces appear to people who "
    "label pictures, not what anybody feels or thinks."
)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask: the address that the port is bound to, its names, the token, whether changes are allowed."""

    host: str
    allowed_hosts: tuple[str, ...] = ()
    token: str | None = None
    changes: bool = False


def create_app(
    registry: CollectorRegistry,
    health: Health,
    desks: Desks,
    access: Access,
    home: Home = "live",
) -> FastAPI:
    """All that the port serves; `home`: which page `/` is."""
    keys = Keys(access.token)
    app = FastAPI(
        title="emotion-worker", version=__version__, description=_ABOUT, openapi_url=None, docs_url=None, redoc_url=None
    )
    app.add_middleware(Faults)
    app.add_middleware(Guard, host=access.host, allowed_hosts=access.allowed_hosts, keys=keys, changes=access.changes)
    app.add_middleware(Limits, open_paths=OPEN_PATHS, photo_bytes=MAX_BYTES, reads=Rate(100, 300), writes=Rate(10, 30))
    app.add_middleware(SecurityHeaders)
    app.include_router(health_routes(health), include_in_schema=False)

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), media_type=content_type)

    app.add_api_route("/metrics", metrics, methods=["GET", "HEAD"], include_in_schema=False)
    routers = [page_routes(home), health_summary(health), photo_routes(desks), session_routes(keys)]
    if home == "live":
        routers += [live_routes(desks), stream_routes(desks), change_routes(desks)]
    for router in routers:
        app.include_router(router)
    add_openapi(app)
    answer_plainly(app, [*app.routes, *(route for router in routers for route in router.routes)])
    return app


class WebServer:
    """Serves `app` on a thread of its own from `start` until `stop`."""

    def __init__(self, app: FastAPI, host: str, port: int, failed: Callable[[BaseException], None]) -> None:
        """`failed` is called once, from the thread, if serving ends by an error after it has begun."""
        self._host = host
        self._port = port
        self._failed = failed
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=200,
            timeout_graceful_shutdown=_DRAIN_S,
        )
        self._server = _Server(config)
        self._socket: socket.socket | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def port(self) -> int:
        """The port in use once started: not 0."""
        return self._port

    def start(self) -> None:
        """Bind and serve; returns when requests are answered.

        Raises:
            PortError: the port cannot be had.
        """
        self._socket = _bind(self._host, self._port)
        self._port = self._socket.getsockname()[1]
        self._thread.start()
        self._server.decided.wait(START_S)
        if not self._server.started:
            self.stop(_DRAIN_S)
            raise PortError(f"the HTTP server on port {self._port} did not start: {self._error or 'no answer'}")

    def stop(self, seconds: float) -> bool:
        """Close the port within `seconds`; False: the thread still runs. Legal in every state."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(seconds)
            if self._thread.is_alive():
                self._server.force_exit = True
                return False
        if self._socket is not None:
            self._socket.close()
        return True

    def _run(self) -> None:
        assert self._socket is not None
        try:
            self._server.run(sockets=[self._socket])
        except BaseException as error:  # noqa: BLE001 - the thread's outermost frame: the owner must know whatever it was
            self._error = error
            if self._server.started:
                self._failed(error)
        finally:
            self._server.decided.set()


class _Server(uvicorn.Server):
    """Tells when it answers, or never will."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.decided = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.decided.set()


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as exc:
        raise PortError(f"web.host {host} is no address that this machine knows: {exc.strerror}") from exc
    bound = socket.socket(family, kind, proto)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(128)
    except OSError as exc:
        bound.close()
        raise PortError(_why_not(host, port, exc)) from exc
    return bound


def _why_not(host: str, port: int, exc: OSError) -> str:
    if exc.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use: stop what uses it, or take another "
            "(web.port; photo: --port; 0 is a free one)"
        )
    if exc.errno == errno.EACCES:
        return f"port {port} needs rights that this user has not: set web.port to 1024 or more"
    if exc.errno == errno.EADDRNOTAVAIL:
        return f"web.host {host} is no address of this machine: 127.0.0.1 is local only, 0.0.0.0 is all"
    return f"port {port} on {host} cannot be opened: {exc.strerror}"

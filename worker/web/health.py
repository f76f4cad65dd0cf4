"""Whether the worker lives, is ready, has started: for Kubernetes, systemd and load balancers.

`/livez` asks whether to restart the process, `/readyz` whether it does its work, `/startupz` whether to wait longer.
A camera or Redis that is away never makes the process unlive: a restart would mend nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from worker.frame import State
from worker.web.answers import problems

Verdict = tuple[bool, Sequence[str]]
"""Whether all is well, and what is not (also told where it is not grave)."""
Check = Callable[[], Verdict]


@dataclass(frozen=True, slots=True)
class Health:
    """The three questions; each answer is asked for anew at every request, so it must be quick."""

    live: Check
    ready: Check
    started: Check


def liveness(beat_ages_s: Mapping[str, float], limit_s: float) -> Verdict:
    """Live while every thread has beaten within `limit_s`; `beat_ages_s` by the thread's name."""
    late = [f"{name} has not moved for {age:.0f} s" for name, age in beat_ages_s.items() if age > limit_s]
    return not late, late


def readiness(*, models_warm: bool, redis_up: bool, room: bool, streams: Mapping[str, State]) -> Verdict:
    """Ready: models are warm, Redis answers or there is room to wait for it, and not every stream has failed.

    A target that is no Redis counts as up. No stream at all is fine: the API may add some.
    """
    reasons = [] if models_warm else ["models are not warm yet"]
    if not redis_up and not room:
        reasons.append("Redis does not answer and there is no room for more records")
    if streams and all(state is State.FAILED for state in streams.values()):
        reasons.append("every stream has failed")
    return not reasons, reasons


class HealthAnswer(BaseModel):
    """The three questions at once; always answered with 200."""

    live: bool
    ready: bool
    started: bool
    reasons: list[str]
    """What is not well, also where it is not grave."""


def health_summary(health: Health) -> APIRouter:
    """The same for people and programs that read the API; probes ask the three paths themselves."""
    router = APIRouter(prefix="/api/v1", tags=["live"])

    @router.get("/health", summary="Whether the worker is well", response_model=HealthAnswer, responses=problems())
    def summary() -> HealthAnswer:
        live, ready, started = health.live(), health.ready(), health.started()
        reasons = list(dict.fromkeys([*live[1], *ready[1], *started[1]]))
        return HealthAnswer(live=live[0], ready=ready[0], started=started[0], reasons=reasons)

    return router


def health_routes(health: Health) -> APIRouter:
    """200 where all is well, else 503; the body says why."""
    router = APIRouter()

    def add(path: str, check: Check) -> None:
        async def answer() -> JSONResponse:
            ok, reasons = check()
            return JSONResponse({"ok": ok, "reasons": list(reasons)}, 200 if ok else 503)

        router.add_api_route(path, answer, methods=["GET", "HEAD"])

    add("/livez", health.live)
    add("/readyz", health.ready)
    add("/startupz", health.started)
    return router

"""How values are written in settings: `10s`, `auto`, `all`, `shipped`, lists with commas, addresses."""

from __future__ import annotations

import math
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, SecretStr

from worker.redact import redact

SHIPPED = Path(__file__).parent.parent / "bundles"
STREAM_ID = r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$"
"""Records allow a dot at the start too; an address of the API cannot hold `..`."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")


def parse_duration(value: object) -> object:
    """`500ms`, `10s`, `2m`, `1h`, `1d` or a number of seconds, as seconds.

    Raises:
        ValueError: the text is none of these.
    """
    if not isinstance(value, str):
        return value
    found = _DURATION.fullmatch(value.strip())
    if found is not None:
        return float(found[1]) * _SECONDS[found[2]]
    try:
        return float(value)
    except ValueError:
        raise ValueError("write a duration such as 500ms, 10s, 2m or 1h") from None


def write_duration(seconds: float) -> str:
    """Seconds in the largest unit that needs no fraction: 0.5 as `500ms`, 120 as `2m`."""
    for unit in ("d", "h", "m", "s"):
        count = seconds / _SECONDS[unit]
        if count >= 1 and count == int(count):
            return f"{int(count)}{unit}"
    milliseconds = f"{seconds * 1000:.3f}".rstrip("0").rstrip(".")
    return f"{milliseconds}ms" if seconds else "0s"


def _parse_fps(value: object) -> object:
    """`all` is infinity, `auto` is None."""
    return {"all": math.inf, "auto": None}.get(value, value) if isinstance(value, str) else value


def _write_fps(value: float | None) -> float | str:
    if value is None:
        return "auto"
    return "all" if math.isinf(value) else value


def _auto_is_none(value: object) -> object:
    return None if value == "auto" else value


def _none_is_auto(value: Any) -> Any:
    return "auto" if value is None else value


def _split_commas(value: object) -> object:
    """Variables of the environment write a list with commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def host_name() -> str:
    """This machine's name, with what a worker's name may not hold replaced by `-`."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:64] or "worker"


def _auto_is_host_name(value: object) -> object:
    return host_name() if value == "auto" else value


def _shipped_bundle(name: str) -> BeforeValidator:
    return BeforeValidator(lambda value: SHIPPED / name if value == "shipped" else value, json_schema_input_type=str)


def _write_url(url: SecretStr) -> str:
    return redact(url.get_secret_value())


@dataclass(frozen=True, slots=True)
class Kind:
    """What the documentation calls the type of a value."""

    name: str


Duration = Annotated[
    float,
    Kind("duration"),
    BeforeValidator(parse_duration, json_schema_input_type=float | str),
    PlainSerializer(write_duration),
]
"""Seconds."""
AutoDuration = Annotated[
    float | None,
    Kind("duration or `auto`"),
    BeforeValidator(lambda value: parse_duration(_auto_is_none(value)), json_schema_input_type=float | str),
    PlainSerializer(lambda value: "auto" if value is None else write_duration(value)),
]
"""Seconds; None is `auto`."""
Fps = Annotated[
    float | None,
    Kind("number, `all` or `auto`"),
    BeforeValidator(_parse_fps, json_schema_input_type=float | str),
    PlainSerializer(_write_fps),
]
"""Frames a second; None is `auto`, infinity is `all`."""
AutoInt = Annotated[
    int | None,
    Kind("whole number or `auto`"),
    BeforeValidator(_auto_is_none, json_schema_input_type=int | str),
    PlainSerializer(_none_is_auto),
]
"""None is `auto`."""
AutoFloat = Annotated[
    float | None,
    Kind("number or `auto`"),
    BeforeValidator(_auto_is_none, json_schema_input_type=float | str),
    PlainSerializer(_none_is_auto),
]
"""None is `auto`."""
Words = Annotated[
    tuple[str, ...], Kind("list of text"), BeforeValidator(_split_commas, json_schema_input_type=list[str] | str)
]
WorkerName = Annotated[str, Kind("text or `auto`"), BeforeValidator(_auto_is_host_name, json_schema_input_type=str)]
DetectorDir = Annotated[Path, Kind("folder or `shipped`"), _shipped_bundle("detector")]
ClassifierDir = Annotated[Path, Kind("folder or `shipped`"), _shipped_bundle("classifier")]
SecretUrl = Annotated[SecretStr, Kind("address"), PlainSerializer(_write_url)]
"""A URL that may hold a user name and password; shown without them."""

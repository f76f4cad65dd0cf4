"""From a file and the environment to `Settings`, or to one clear line a mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from worker.errors import PurposeRefused, SettingsError
from worker.redact import redact
from worker.settings.document import KeyPath, read_document
from worker.settings.nearest import did_you_mean
from worker.settings.references import fill, unset
from worker.settings.rules import rule
from worker.settings.tree import dotted, field_at, kind, model_at
from worker.settings.values import write_duration
from worker.settings.variables import merge, read_variables
from worker.settings.whole import Settings

Place = Callable[[KeyPath], str]


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Settings from the file `path` (None: defaults), overridden by EMOTION_WORKER__SECTION__KEY in `environ`.

    Raises:
        SettingsError: one line for each mistake, with its place; never a value that may be secret.
        PurposeRefused: the declared purpose is forbidden.
    """
    values, lines = read_document(path) if path is not None else ({}, {})
    overrides, origin, mistakes = read_variables(environ, Settings)
    merged = merge(values, overrides)

    def place(at: KeyPath) -> str:
        if at in origin:
            return f"variable {origin[at]}"
        while at and at not in lines:
            at = at[:-1]
        return f"{path} line {lines[at]}" if at else str(path or "settings")

    without = _put_references(merged, environ)
    mistakes += [
        f"{place(at)}: {dotted(at)}: variable {name} is not set" for at, names in without.items() for name in names
    ]
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
        mistakes += [_sentence(error, place) for error in errors if error["loc"] not in without]
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    if settings.purpose_refused is not None:
        raise PurposeRefused(settings.purpose_refused)
    _check_files(settings)
    return settings


def _put_references(values: dict[str, Any], environ: Mapping[str, str]) -> dict[KeyPath, list[str]]:
    """Replace `${NAME}` in addresses, in place; the names that are not set, by address."""
    without: dict[KeyPath, list[str]] = {}
    streams = values.get("streams")
    owners: list[tuple[KeyPath, Any]] = [(("redis",), values.get("redis"))]
    owners += [
        (("streams", index), stream) for index, stream in enumerate(streams if isinstance(streams, list) else ())
    ]
    for at, owner in owners:
        if not isinstance(owner, dict) or not isinstance(owner.get("url"), str):
            continue
        if missing := unset(owner["url"], environ):
            without[(*at, "url")] = missing
        else:
            owner["url"] = fill(owner["url"], environ)
    return without


def _check_files(settings: Settings) -> None:
    """Read every mounted secret once, so that a missing one is told at start."""
    settings.redis.secret()
    settings.web.secret()
    for stream in settings.own_streams:
        stream.check()


def _sentence(error: ErrorDetails, place: Place) -> str:
    at: KeyPath = error["loc"]
    name = dotted(at)
    start = f"{place(at)}: {name}" if name else place(at)
    if error["type"] == "extra_forbidden":
        return f"{start}: unknown key{did_you_mean(str(at[-1]), _names_beside(at))}"
    if error["type"] == "missing":
        return f"{start} is missing"
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return f"{start}: {context['error']}"
    field = field_at(at)
    quotes = ": put it in quotes" if error["type"] == "string_type" else ""
    return f"{start}: {_shown(error['input'], field)}{rule(error, partial(_written, field=field))}{quotes}"


def _shown(value: object, field: FieldInfo | None) -> str:
    """The value as somebody wrote it; nothing where it may be secret or long."""
    if field is None or "SecretStr" in str(field.annotation) or not isinstance(value, str | int | float):
        return ""
    shown = repr(redact(value[:60])) if isinstance(value, str) else _written(value, field)
    return f"{shown} is wrong, it "


def _written(number: float, field: FieldInfo | None) -> str:
    """A number as settings write it: durations with their unit."""
    if field is not None and kind(field).startswith("duration"):
        return write_duration(number)
    return str(number)


def _names_beside(at: KeyPath) -> list[str]:
    model = model_at(at[:-1])
    return list(model.model_fields) if model is not None else []

"""Settings from variables of the environment: EMOTION_WORKER__SECTION__KEY.

Only names with two underscores after EMOTION_WORKER are ours: Kubernetes sets EMOTION_WORKER_PORT and the like for a
service of that name. A name that fits no setting is refused, so that a typing error is not silently ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from worker.settings.document import KeyPath
from worker.settings.nearest import did_you_mean

PREFIX = "EMOTION_WORKER__"


def variable_name(at: KeyPath) -> str:
    """The variable that sets the key at this path."""
    return PREFIX + "__".join(str(part).upper() for part in at)


def read_variables(
    environ: Mapping[str, str], whole: type[BaseModel]
) -> tuple[dict[str, Any], dict[KeyPath, str], list[str]]:
    """Values as nested sections, the variable behind each, and what is wrong with others (one line each).

    An empty variable counts as not given: compose files write `NAME: ${NAME:-}`.
    """
    known = {variable_name(at): at for at in _keys(whole, ())}
    values: dict[str, Any] = {}
    origin: dict[KeyPath, str] = {}
    mistakes: list[str] = []
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or not text:
            continue
        at = known.get(name.upper())
        if at is None:
            mistakes.append(_refusal(name, list(known)))
            continue
        section = values
        for part in at[:-1]:
            section = section.setdefault(str(part), {})
        section[str(at[-1])] = text
        origin[at] = name
    return values, origin, mistakes


def merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with the values of `above` in their places; what is no section where one belongs stays, to be refused."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if not isinstance(value, dict):
            merged[key] = value
        elif under is None or isinstance(under, dict):
            merged[key] = merge(under or {}, value)
    return merged


def _keys(model: type[BaseModel], at: KeyPath) -> Iterator[KeyPath]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, (*at, name))
        elif (*at, name) != ("streams",):
            yield (*at, name)


def _refusal(name: str, known: list[str]) -> str:
    if name.upper().startswith(PREFIX + "STREAMS"):
        return f"variable {name}: streams come from the settings file only"
    parent = name.upper().rpartition("__")[0]
    if parent in known:
        return f"variable {name}: {parent} has no parts; a list is written with commas in {parent}"
    return f"variable {name}: no such setting{did_you_mean(name.upper(), known)}"

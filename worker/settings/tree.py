"""Walking through the settings by name: for messages, documentation and the example."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from worker.settings.document import KeyPath
from worker.settings.stream import StreamSettings
from worker.settings.values import Kind
from worker.settings.whole import Settings


def dotted(at: KeyPath) -> str:
    """`("streams", 0, "url")` as `streams[0].url`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in at).lstrip(".")


def model_at(at: KeyPath) -> type[BaseModel] | None:
    """The section at this path; None where there is none."""
    model: type[BaseModel] = Settings
    for part in at:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        if field is None:
            return None
        inner = StreamSettings if part == "streams" else field.annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return None
        model = inner
    return model


def field_at(at: KeyPath) -> FieldInfo | None:
    """The field at this path, or the list that holds it; None where there is none."""
    while at and isinstance(at[-1], int):
        at = at[:-1]
    model = model_at(at[:-1]) if at else None
    return model.model_fields.get(str(at[-1])) if model is not None else None


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """Every section with its dotted name, in the order of the file; `events.gates` after `events`."""
    for name, field in Settings.model_fields.items():
        section = model_at((name,))
        assert section is not None, field
        yield name, section
        for inner_name in section.model_fields:
            inner = model_at((name, inner_name))
            if inner is not None:
                yield f"{name}.{inner_name}", inner


def kind(field: FieldInfo) -> str:
    """The type of a field's values in words."""
    named = [entry.name for entry in field.metadata if isinstance(entry, Kind)]
    if named:
        return named[0]
    annotation: Any = field.annotation
    options = [part for part in get_args(annotation) if part is not type(None)]
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{option}`" for option in options)
    if options:
        inner = FieldInfo.from_annotation(options[0])
        return kind(inner)
    words: dict[Any, str] = {
        bool: "`true` or `false`",
        int: "whole number",
        float: "number",
        Path: "path",
        SecretStr: "secret",
    }
    return words.get(annotation, "text")

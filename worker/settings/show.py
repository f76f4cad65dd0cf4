"""Settings for people: what is in force, the annotated example, the reference in docs/settings.md."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from worker.settings.stream import StreamSettings
from worker.settings.tree import kind, model_at, sections
from worker.settings.whole import Settings

_WORDS = {"name": "auto", "detector": "shipped", "classifier": "shipped"}
_LOBBY = {"id": "lobby", "url": "rtsp://camera.example/stream1"}
_EXAMPLE_HEAD = """\
# All settings of emotion-worker with their defaults. Written by `python -m worker.settings`.
# Durations: 500ms, 10s, 2m, 1h. Every key but those of streams can be set by a variable as well, which wins:
# EMOTION_WORKER__REDIS__URL, EMOTION_WORKER__EVENTS__GATES__CONFIDENCE. Paths start at the working directory.
# An editor completes from `emotion-worker config-schema`.
"""
_REFERENCE_HEAD = """\
# Settings

Written from the code by `python -m worker.settings`; a test holds them equal. The same, annotated in YAML:
[deploy/emotion-worker.example.yaml](../deploy/emotion-worker.example.yaml). `emotion-worker run FILE --check` shows
what is in force, without secrets; `emotion-worker config-schema` prints the JSON Schema, from which editors complete.

- Every key but those of `streams` can also be set by a variable, which wins over the file:
  `EMOTION_WORKER__REDIS__URL`, `EMOTION_WORKER__EVENTS__GATES__CONFIDENCE`. An empty variable counts as not given,
  one that fits no setting is refused. A list is written with commas.
- Durations are written `500ms`, `10s`, `2m`, `1h`, `1d`; a bare number is seconds.
- Secrets belong in files (`url_file`, `password_file`, `token_file`) or in variables (`${NAME}` in an address; a
  password stands there as it is, whatever characters it holds, but for RTMP).
- Paths start at the working directory.

"""


def effective(settings: Settings) -> str:
    """What is in force, as YAML, without secrets."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=1000)


def example() -> str:
    """The annotated example: every key with its default, and one stream."""
    lines = [_EXAMPLE_HEAD]
    for name in Settings.model_fields:
        section = _section(name)
        lines += [f"# {section.__doc__}", f"{name}:"]
        indent, first = ("    ", "  - ") if name == "streams" else ("  ", None)
        lines += [*_keys(section, indent, _defaults(section), first), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def reference() -> str:
    """docs/settings.md."""
    lines = [_REFERENCE_HEAD]
    for name, section in sections():
        values = _defaults(section)
        lines += [
            f"## {name}",
            "",
            f"{section.__doc__}",
            "",
            "| key | values | default | meaning |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| `{key}` | {kind(field)} | {_default_cell(key, field, values)} | {field.description} |"
            for key, field in section.model_fields.items()
            if model_at((*name.split("."), key)) is None
        ]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(name: str) -> type[BaseModel]:
    section = model_at((name,))
    assert section is not None, name
    return section


def _defaults(section: type[BaseModel]) -> dict[str, Any]:
    """The defaults as they are written in YAML."""
    given = _LOBBY if section is StreamSettings else {}
    return section.model_validate(given).model_dump(mode="json")


def _keys(section: type[BaseModel], indent: str, values: Mapping[str, Any], first: str | None = None) -> Iterator[str]:
    """The lines of a section; `first` starts the first key of an item of a list."""
    start = first or indent
    for key, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from (f"{indent}# {field.description}", f"{indent}{key}:", *_keys(inner, indent + "  ", values[key]))
            continue
        note = f"{field.description} ({kind(field).replace('`', '')})"
        yield from textwrap.wrap(note, 116, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        yield f"{start}{key}:{_scalar(_WORDS.get(key, values[key]))}"
        start = indent


def _scalar(value: Any) -> str:
    """A value as it stands behind its key."""
    if value is None:
        return ""
    return " " + yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")


def _default_cell(key: str, field: FieldInfo, values: Mapping[str, Any]) -> str:
    if field.is_required():
        return "required"
    written = "" if field.default is None and values[key] in _LOBBY.values() else _scalar(_WORDS.get(key, values[key]))
    return f"`{written.strip()}`" if written else "none"

"""TypeScript types of the records, made from their JSON Schemas (docs/schema/emotion.v1.d.ts)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_HEAD = """\
// Records of emotion-worker, schema v1. Made by `python -m worker.events.schema_docs`; do not edit.
// The emotions say how faces appear to people who label pictures, not what anybody feels or thinks.
// Additions keep v1: ignore fields that you do not know.
"""


def declarations(schemas: Mapping[str, Mapping[str, Any]]) -> str:
    """The declarations of all types; `schemas`: the JSON Schema of each record by its `type`."""
    interfaces: dict[str, str] = {}
    names = []
    for kind, body in schemas.items():
        for name, inner in body.get("$defs", {}).items():
            interfaces[name] = _interface(name, inner)
        name = "".join(part.capitalize() for part in kind.removeprefix("emotion.").removesuffix(".v1").split("_"))
        names.append(f"{name}Record")
        interfaces[names[-1]] = _interface(names[-1], body)
    union = f"/** Any record; `type` tells which. */\nexport type EmotionRecord = {' | '.join(names)};\n"
    return "\n".join([_HEAD, *interfaces.values(), union])


def _interface(name: str, body: Mapping[str, Any]) -> str:
    lines = [*_comment(body, ""), f"export interface {name} {{"]
    for field, value in body["properties"].items():
        lines += [*_comment(value, "  "), f"  {_key(field)}: {_type(value)};"]
    return "\n".join([*lines, "}", ""])


def _comment(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    told = value.get("description")
    if told:
        yield f"{indent}/** {' '.join(told.split()).replace('*/', '* /')} */"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else json.dumps(name)


def _type(value: Mapping[str, Any]) -> str:
    """A schema's TypeScript type. Everything that a record can hold is covered; anything else is a fault here."""
    if "$ref" in value:
        return str(value["$ref"]).rpartition("/")[2]
    if "const" in value:
        return json.dumps(value["const"])
    if "enum" in value:
        return " | ".join(json.dumps(option) for option in value["enum"])
    if "anyOf" in value:
        return " | ".join(_type(option) for option in value["anyOf"])
    if "prefixItems" in value:
        return f"[{', '.join(_type(item) for item in value['prefixItems'])}]"
    kind = value["type"]
    if kind == "array":
        return f"Array<{_type(value['items'])}>"
    if kind == "object":
        keys = _type(value["propertyNames"]) if "propertyNames" in value else "string"
        return f"Partial<Record<{keys}, {_type(value['additionalProperties'])}>>"
    return {"integer": "number", "number": "number", "string": "string", "null": "null"}[kind]

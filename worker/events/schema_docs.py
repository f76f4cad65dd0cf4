"""`python -m worker.events.schema_docs`: write docs/schema/* and the tables of docs/events.md from the models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from worker.events import schema
from worker.events.typescript import declarations

DOCS = Path("docs")
TYPESCRIPT = "emotion.v1.d.ts"
_MARK = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def schemas() -> dict[str, str]:
    """The JSON Schema of each type and the TypeScript types of all, as text of a file, by the file's name."""
    bodies = {kind: json_schema(kind) for kind in schema.RECORDS}
    files = {f"{kind}.json": json.dumps(body, indent=2) + "\n" for kind, body in bodies.items()}
    return files | {TYPESCRIPT: declarations(bodies)}


def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of records of type `kind`."""
    body = schema.RECORDS[kind].model_json_schema()
    del body["title"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": kind, **body}


def page(text: str) -> str:
    """docs/events.md with its generated tables made anew."""

    def table(mark: re.Match[str]) -> str:
        return mark[1] + "".join(_table(mark[2])) + mark[3]

    return _MARK.sub(table, text)


def _table(kind: str) -> Iterator[str]:
    body = json_schema(kind)
    yield "| field | type | what |\n|---|---|---|\n"
    for name, type_, what in _rows("", body, body.get("$defs", {})):
        yield f"| `{name}` | {type_} | {what} |\n"


def _rows(prefix: str, body: dict[str, Any], defs: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, field in body["properties"].items():
        options = [_resolved(option, defs) for option in field.get("anyOf", [field])]
        words = " or ".join(dict.fromkeys(_word(option) for option in options))
        inner = next((option for option in options if "properties" in option), None)
        inner = _resolved(field["items"], defs) if field.get("type") == "array" and "items" in field else inner
        what = field.get("description") or (inner or {}).get("description", "")
        yield prefix + name, words, what.replace("\n", " ").replace("|", "\\|")
        if inner is not None:
            yield from _rows(f"{prefix}{name}{'[]' if field.get('type') == 'array' else ''}.", inner, defs)


def _resolved(field: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    """What a reference stands for."""
    reference = field.get("$ref")
    found: dict[str, Any] = field if reference is None else defs[reference.rpartition("/")[2]]
    return found


def _word(field: dict[str, Any]) -> str:
    """A field's type for people."""
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "propertyNames" in field:
        return f"counts by {_word(field['propertyNames'])}"
    if "prefixItems" in field:
        return f"[{', '.join(_word(item) for item in field['prefixItems'])}]"
    if field.get("format") == "date-time":
        return "UTC time"
    kind: str = field.get("type", "any")
    low, high = field.get("minimum"), field.get("maximum")
    if high is not None:
        return f"{kind} {low} to {high}"
    return kind if low is None else f"{kind} ≥ {low}"


def main() -> None:
    """Write the files, from the repository's root."""
    folder = DOCS / "schema"
    folder.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text)
    events = DOCS / "events.md"
    events.write_text(page(events.read_text()))


if __name__ == "__main__":
    main()

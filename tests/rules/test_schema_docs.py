"""docs/schema and the tables of docs/events.md are what the models say, and the examples there are valid."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from worker.events import schema, schema_docs
from worker.events.smoothing import SmoothingRule

DOCS = Path(__file__).resolve().parents[2] / "docs"
AGAIN = "run `python -m worker.events.schema_docs`"


def examples() -> list[str]:
    (block,) = re.findall(r"```json\n(.*?)```", (DOCS / "events.md").read_text(), re.DOTALL)
    return str(block).splitlines()


def test_the_committed_schemas_are_the_models() -> None:
    committed = {path.name: path.read_text() for path in (DOCS / "schema").iterdir()}
    assert committed == schema_docs.schemas(), AGAIN


def test_the_tables_are_the_models() -> None:
    text = (DOCS / "events.md").read_text()
    assert schema_docs.page(text) == text, AGAIN


def test_every_field_is_explained() -> None:
    rows = re.findall(r"^\| `([\w.\[\]]+)` \| .* \| (.*) \|$", (DOCS / "events.md").read_text(), re.MULTILINE)
    obvious = re.compile(r".*\.probabilities\.\w+")
    assert [name for name, what in rows if not what and not obvious.fullmatch(name)] == []


def test_the_description_says_that_the_model_reads_faces_not_minds() -> None:
    description = schema_docs.json_schema(schema.FRAME_TYPE)["description"]
    assert "how faces *appear*" in description
    assert "not what anybody feels or thinks" in description


def test_stable_confidence_is_called_uncalibrated() -> None:
    stable = schema_docs.json_schema(schema.FRAME_TYPE)["$defs"]["Stable"]
    assert "Uncalibrated" in stable["properties"]["confidence"]["description"]


@pytest.mark.parametrize("line", examples())
def test_the_examples_are_valid_for_the_models_and_for_any_json_schema_validator(line: str) -> None:
    data = json.loads(line)
    record = schema.check(data)
    assert json.loads(record.model_dump_json()) == data
    jsonschema.validate(data, schema_docs.json_schema(data["type"]))


def test_the_text_has_the_constants_of_the_code() -> None:
    rule = SmoothingRule()
    text = " ".join((DOCS / "events.md").read_text().split())
    assert f"half-life of {rule.half_life_s} s" in text
    assert f"led by {rule.lead} for {rule.lead_for_s * 1000:.0f} ms" in text
    assert f"stood for {rule.dwell_s * 1000:.0f} ms" in text
    assert f"until it is {rule.forget_s:.0f} s old" in text


def test_the_command_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (DOCS / "events.md").read_text()
    (tmp_path / "events.md").write_text(page.replace("Milliseconds", "Hours"))
    monkeypatch.setattr(schema_docs, "DOCS", tmp_path)
    schema_docs.main()
    assert "Milliseconds" in (tmp_path / "events.md").read_text()
    assert {path.name for path in (tmp_path / "schema").iterdir()} == set(schema_docs.schemas())

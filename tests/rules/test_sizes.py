"""Budgets of the house: functions of at most 50 lines, modules of at most 300, nothing that does nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    path for room in ("worker", "detector_training", "classifier_training") for path in (ROOT / room).rglob("*.py")
)


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_keeps_to_the_budgets(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for function in functions(ast.parse(text)):
        assert function.end_lineno is not None
        assert function.end_lineno - function.lineno < 50, function.name
        positional = [arg.arg for arg in function.args.args if arg.arg not in ("self", "cls")]
        assert len(positional) <= 8, function.name


def test_no_module_is_called_by_what_it_is_not() -> None:
    assert [path.name for path in MODULES if path.stem in ("utils", "helpers", "manager", "common", "misc")] == []


def test_the_budgets_look_at_something() -> None:
    assert len(MODULES) > 30

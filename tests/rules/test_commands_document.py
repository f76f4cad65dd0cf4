"""docs/commands.md has every command with every option, names none that does not exist, and shows pictures that do."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
import typer

from worker.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TEXT = (DOCS / "commands.md").read_text()
SECTIONS = {
    name: body for name, body in re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL)
}


def options(name: str) -> set[str]:
    """The long options of a command, but --help."""
    app = typer.Typer()
    command = COMMANDS[name]
    app.command()(getattr(importlib.import_module(command.module), command.function))
    found = [word for parameter in typer.main.get_command(app).params for word in parameter.opts]
    return {word for word in found if word.startswith("--")} - {"--help", "--install-completion", "--show-completion"}


def test_every_command_has_its_section() -> None:
    assert set(SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_has_every_option_and_none_that_does_not_exist(name: str) -> None:
    written = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", SECTIONS[name]))
    assert written == options(name)


def shown_commands() -> list[tuple[str, str]]:
    """(document, command line) for each `emotion-worker ...` in a shell block of any document."""
    documents = [ROOT / "README.md", *sorted(DOCS.rglob("*.md")), *sorted((ROOT / "deploy").rglob("*.md"))]
    return [
        (str(path.relative_to(ROOT)), line)
        for path in documents
        for block in re.findall(r"```sh\n(.*?)```", path.read_text(), flags=re.DOTALL)
        for line in re.findall(r"^(?:\$ )?emotion-worker (.*?)(?:\s+#.*)?$", block, flags=re.MULTILINE)
    ]


@pytest.mark.parametrize(("document", "line"), shown_commands())
def test_shown_commands_exist_with_their_options(document: str, line: str) -> None:
    name, *words = [word for word in shlex.split(line.partition("|")[0].partition(">")[0]) if word != "--debug"]
    assert name in COMMANDS, document
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options(name), document


def test_the_pictures_are_there() -> None:
    shown = re.findall(r"\]\((pictures/[^)]+)\)", TEXT)
    assert len(shown) >= 3
    assert [name for name in shown if not (DOCS / name).is_file()] == []

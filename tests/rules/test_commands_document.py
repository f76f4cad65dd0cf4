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


def documents() -> dict[str, str]:
    """All documents by their place, each command on one line."""
    folders = ("docs", "deploy", "classifier_training", "detector_training")
    paths = [*ROOT.glob("*.md"), *(path for folder in folders for path in (ROOT / folder).rglob("*.md"))]
    return {
        str(path.relative_to(ROOT)): path.read_text().replace("\\\n", " ").replace("\\|", "|") for path in sorted(paths)
    }


def shown_commands() -> list[tuple[str, str]]:
    """(document, command line) for each `emotion-worker ...` in a shell block or between backticks."""
    shown = []
    for name, text in documents().items():
        blocks = re.findall(r"```(?:ba)?sh\n(.*?)```", text, flags=re.DOTALL)
        lines = re.findall(r"^(?:\$ )?emotion-worker (.*?)(?:\s+#.*)?$", "\n".join(blocks), flags=re.MULTILINE)
        lines += re.findall(r"`emotion-worker ([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        shown += [(name, line) for line in lines]
    return shown


@pytest.mark.parametrize(("document", "line"), shown_commands())
def test_shown_commands_exist_with_their_options(document: str, line: str) -> None:
    name, *words = [word for word in shlex.split(line.partition("|")[0].partition(">")[0]) if word != "--debug"]
    if name.isupper():  # any command
        return
    assert name in COMMANDS, document
    shown = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert shown <= options(name) | {"--help"}, document


def shown_modules() -> list[tuple[str, str, str]]:
    """(document, module, arguments) for each `python -m ...` of this repository."""
    ours = r"-m ((?:worker|benchmarks|tests|classifier_training|detector_training)[\w.]*)([^`\n#]*)"
    return [(name, *found) for name, text in documents().items() for found in re.findall(ours, text)]


@pytest.mark.parametrize(("document", "module", "arguments"), shown_modules())
def test_shown_modules_exist_with_their_options(document: str, module: str, arguments: str) -> None:
    path = ROOT.joinpath(*module.split("."))
    if path.name == "NAME":  # any of the folder
        assert path.parent.is_dir()
        return
    code = (path if path.is_dir() else path.parent).joinpath("__main__.py" if path.is_dir() else f"{path.name}.py")
    assert code.is_file(), document
    known = set(re.findall(r"\"(--[a-z-]+)\"", code.read_text())) | {"--help"}
    assert set(re.findall(r"(?<!\S)--[a-z-]+", arguments)) <= known, document


def test_shown_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    shown = {
        found for text in documents().values() for found in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)
    }
    assert {"demo", "test"} <= shown <= targets


def headings(path: Path) -> set[str]:
    """What a link may lead to within a document."""
    found = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found}


@pytest.mark.parametrize("name", documents())
def test_links_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)]*)\)", documents()[name])
    for link, anchor in links:
        place = (ROOT / name).parent / link if link else ROOT / name
        assert place.exists(), link
        assert not anchor or anchor in headings(place), (link, anchor)


def test_the_pictures_are_there() -> None:
    shown = re.findall(r"\]\((pictures/[^)]+)\)", TEXT)
    assert len(shown) >= 3
    assert [name for name in shown if not (DOCS / name).is_file()] == []

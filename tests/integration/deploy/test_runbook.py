"""deploy/README.md: its links lead somewhere, and its commands name files and targets that exist."""

from __future__ import annotations

import re

import pytest

from tests.integration.deploy import engine
from tests.integration.deploy.tools import DEPLOY, ROOT, call, tool

TEXT = (DEPLOY / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S) for line in block.splitlines()]


def anchors() -> set[str]:
    """The headings as GitHub names them."""
    titles = re.findall(r"^#+ (.*)$", TEXT, re.M)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", TEXT.replace("\n", " ")))))
def test_a_link_leads_somewhere(link: str) -> None:
    path, _, anchor = link.partition("#")
    assert (DEPLOY / path).exists()
    if not path:
        assert anchor in anchors()


def test_commands_name_what_exists() -> None:
    text = "\n".join(COMMANDS)
    files = re.findall(r"(?:deploy|tests|benchmarks)/[\w./-]+", text)
    assert files
    for name in files:
        assert (ROOT / name).exists() or name.endswith("/mine"), name
    targets = set(re.findall(r"--target (\w+)", text))
    assert targets == {"cpu"}
    assert targets <= set(engine.read(DEPLOY / "Dockerfile"))


def test_compose_reads_the_command_of_the_runbook() -> None:
    (line,) = [line for line in COMMANDS if line.startswith("docker compose")]
    words = line.partition("#")[0].split()[2:]
    result = call(tool("docker-compose"), *words[: words.index("up")], "config", "--quiet", cwd=ROOT)
    assert result.returncode == 0, result.stderr

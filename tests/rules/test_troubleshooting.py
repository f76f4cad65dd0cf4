"""docs/troubleshooting.md quotes what the code really says, and has every error of sources and of Redis."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "troubleshooting.md").read_text()
QUOTED = [quote for row in re.findall(r"^\| (`.*?) \|", TEXT, flags=re.M) for quote in re.findall(r"`([^`]+)`", row)]
FROM_ELSEWHERE = {"emotion-worker: command not found", "Missing", "Unreadable"}
COMPLETE = ["worker/sources/opening.py", "worker/sources/webcam.py", "worker/sources/source_thread.py",
            "worker/redis_client.py", "worker/publish/preflight.py", "worker/web/server.py"]  # fmt: skip
OBVIOUS = ("a folder, not a video", "the file is empty", "no permission to read it", "nothing in it to loop over")
PUT_TOGETHER = {"...: ...", "Redis at ... ... (...)"}
"""Messages whose words stand elsewhere in the same module."""


def written(node: ast.AST) -> Iterator[str]:
    """Texts below `node`; `...` for what is filled in."""
    for found in ast.walk(node):
        if isinstance(found, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in found.values)
        elif isinstance(found, ast.Constant) and isinstance(found.value, str):
            yield re.sub(r"%(\.\d)?[sdfg]", "...", found.value)


def said() -> str:
    trees = [ast.parse(path.read_text()) for path in sorted((ROOT / "worker").rglob("*.py"))]
    return "\n".join(text for tree in trees for text in written(tree))


def raised(module: str) -> Iterator[str]:
    """Messages of the errors that a module makes."""
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
            continue
        message = node.args[0]
        if re.match(r"(Source|Redis|Port)[A-Za-z]+$", node.func.id) and isinstance(message, ast.JoinedStr):
            yield next(written(message))


def test_every_quoted_message_is_what_the_code_says() -> None:
    code = said()
    assert len(QUOTED) > 50
    assert [quote for quote in QUOTED if quote not in FROM_ELSEWHERE and quote not in code] == []


@pytest.mark.parametrize("module", COMPLETE)
def test_every_error_of_cameras_and_redis_is_there(module: str) -> None:
    messages = list(raised(module))
    assert messages
    missing = [
        text
        for text in messages
        if text not in PUT_TOGETHER and not any(quote in text for quote in (*QUOTED, *OBVIOUS))
    ]
    assert missing == []

"""The settings file: YAML whose every key knows its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml

from worker.errors import SettingsError

KeyPath = tuple[str | int, ...]
MAX_BYTES = 4 << 20


def read_document(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The file's values, and the line (from 1) of each key.

    Raises:
        SettingsError: it cannot be read, is no YAML, no mapping, or has a key twice.
    """
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise SettingsError(f"cannot read settings {path}: {exc.strerror}") from exc
    if len(content) > MAX_BYTES:
        raise SettingsError(f"{path} has more than 4 MiB: this is no settings file")
    loader = None
    try:
        loader = yaml.SafeLoader(content.decode())
        node = loader.get_single_node()
        if node is None:
            return {}, {}
        lines: dict[KeyPath, int] = {}
        _note_lines(node, (), lines, set(), path)
        values = loader.construct_document(node)
    except UnicodeDecodeError as exc:
        raise SettingsError(f"{path} is no UTF-8 text") from exc
    except ValueError as exc:
        raise SettingsError(f"{path} holds a date or number that is none: put it in quotes") from exc
    except yaml.YAMLError as exc:
        raise SettingsError(_one_line(exc, path)) from exc
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(values, dict):
        raise SettingsError(f"{path} must hold sections such as `streams:` and `redis:`")
    return cast("dict[str, Any]", values), lines


def _note_lines(node: yaml.Node, at: KeyPath, lines: dict[KeyPath, int], seen: set[int], path: Path) -> None:
    """Walk each node once: anchors can make a small file refer to itself without end."""
    if id(node) in seen:
        return
    seen.add(id(node))
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            _note_lines(child, (*at, index), lines, seen, path)
    elif isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, child in node.value:
            name = str(key.value)
            if name in names:
                raise SettingsError(f"{path} line {key.start_mark.line + 1}: key {name} stands here a second time")
            names.add(name)
            lines.setdefault((*at, name), key.start_mark.line + 1)
            _note_lines(child, (*at, name), lines, seen, path)


def _one_line(exc: yaml.YAMLError, path: Path) -> str:
    """What is wrong and where, without quoting the file: it may hold secrets."""
    mark = getattr(exc, "problem_mark", None)
    where = f"{path} line {mark.line + 1}" if mark is not None else str(path)
    return f"{where}: this is no YAML: {getattr(exc, 'problem', None) or 'unreadable character'}"

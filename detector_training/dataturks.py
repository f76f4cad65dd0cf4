"""The Dataturks export: one JSON object a line (`content`, `annotation`), and the variants seen in the wild."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detector_training.errors import DataError
from detector_training.pictures import Boxes, Problem, as_boxes


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled picture of an export.

    Attributes:
        line: number of the item in the export, from 0.
        url: where the picture was.
        shares: (N, 4) float64 x_min, y_min, x_max, y_max as shares (0..1) of the picture's sides.
    """

    line: int
    url: str
    shares: Boxes


@dataclass(slots=True)
class Export:
    """The items of an export with at least one face, and what was left out."""

    items: list[Item] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_export(path: Path, label: str = "Face") -> Export:
    """Read an export: JSON lines, one JSON array, or `{"data": [...]}`.

    Two corners may come in any order; boxes are cut to the picture; a picture that appears twice keeps the fuller
    labels; boxes of other labels are left out.

    Raises:
        DataError: the file is no export, or no picture in it has a box of `label`.
    """
    export = Export()
    best: dict[str, Item] = {}
    labels_seen: set[str] = set()
    for line, entry in _entries(path, export.problems):
        item = _item(line, entry, label, labels_seen, export.problems)
        if item is None:
            continue
        previous = best.get(item.url)
        if previous is not None:
            export.problems.append(Problem(f"line {line}", f"the same picture as line {previous.line}"))
        if previous is None or len(item.shares) > len(previous.shares):
            best[item.url] = item
    export.items = sorted(best.values(), key=lambda item: item.line)
    if not export.items:
        others = f"; labels in it: {', '.join(sorted(labels_seen))}" if labels_seen else ""
        raise DataError(f"{path} has no box labelled {label!r}{others}: name its label with --label")
    return export


def _entries(path: Path, problems: list[Problem]) -> Iterator[tuple[int, dict[str, Any]]]:
    text = path.read_text(encoding="utf-8-sig")
    if not text.strip():
        raise DataError(f"{path} is empty: expected a Dataturks export")
    try:
        whole: Any = json.loads(text)
    except json.JSONDecodeError:
        whole = None
    if isinstance(whole, dict) and isinstance(whole.get("data"), list):
        whole = whole["data"]
    if isinstance(whole, dict):
        whole = [whole]
    if whole is not None and not isinstance(whole, list):
        raise DataError(f"{path} is JSON, but no Dataturks export: expected objects with content and annotation")
    yield from _objects(whole, problems) if whole is not None else _lines(text, problems)


def _objects(entries: list[Any], problems: list[Problem]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, entry in enumerate(entries):
        if isinstance(entry, dict):
            yield number, entry
        else:
            problems.append(Problem(f"item {number}", "no JSON object"))


def _lines(text: str, problems: list[Problem]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines()):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            problems.append(Problem(f"line {number}", f"no JSON ({error.msg})"))
            continue
        yield from ((number, entry) for _, entry in _objects([entry], problems))


def _item(line: int, entry: dict[str, Any], label: str, labels_seen: set[str], problems: list[Problem]) -> Item | None:
    url = entry.get("content")
    if not isinstance(url, str) or not url:
        problems.append(Problem(f"line {line}", "names no picture (content)"))
        return None
    rows = []
    for annotation in entry.get("annotation") or []:
        try:
            names = annotation.get("label") or []
            names = [names] if isinstance(names, str) else list(names)
            labels_seen.update(str(name) for name in names)
            if label.lower() in (str(name).lower() for name in names):
                rows.append(_corners(annotation))
        except (AttributeError, TypeError, ValueError, KeyError) as error:
            problems.append(Problem(f"line {line}", f"a box cannot be read ({error})"))
    shares = as_boxes(rows).clip(0.0, 1.0)
    shares = shares[(shares[:, 2] > shares[:, 0]) & (shares[:, 3] > shares[:, 1])]
    if len(shares) < len(rows):
        problems.append(Problem(f"line {line}", f"{len(rows) - len(shares)} boxes are empty or outside the picture"))
    if not len(shares):
        problems.append(Problem(f"line {line}", f"no box labelled {label!r}"))
        return None
    return Item(line, url, shares)


def _corners(annotation: dict[str, Any]) -> tuple[float, float, float, float]:
    """Points are shares of the picture; some tools write px, told by values above 1.5, and give the size beside."""
    points = annotation["points"]
    if isinstance(points, dict):
        points = list(points.values())
    if len(points) < 2:
        raise ValueError("fewer than two points")
    across, down = (
        [float(point[axis] if isinstance(point, dict) else point[index]) for point in points]
        for index, axis in enumerate("xy")
    )
    if max(across + down) > 1.5:
        width, height = annotation.get("imageWidth"), annotation.get("imageHeight")
        if not width or not height:
            raise ValueError("px without the picture's size")
        across, down = [x / float(width) for x in across], [y / float(height) for y in down]
    return min(across), min(down), max(across), max(down)

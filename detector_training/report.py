"""The report page of a prepared data set: counts, box sizes, what was left out, and sheets with boxes."""

from __future__ import annotations

import html
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detector_training.cleaning import Cleaned
from detector_training.pictures import Picture
from detector_training.seen import BUDGET
from detector_training.sheets import BLUE, GREEN, RED, YELLOW, write_sheet

SIZE_EDGES = (0, 16, 32, 96, float("inf"))
SIZE_NAMES = ("under_16", "16_32", "32_96", "over_96")
STYLE = (
    "body{font:15px/1.5 system-ui;max-width:1260px;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem;border-bottom:1px solid #ccc;text-align:right}"
    "td:first-child,th:first-child{text-align:left}img{max-width:100%}"
)


def sizes(picture: Picture) -> list[float]:
    """sqrt(w·h) of each face, in px of the picture scaled to the serving budget."""
    scale = float(np.sqrt(BUDGET / (picture.looks.width * picture.looks.height)))
    sides = picture.faces[:, 2:4] - picture.faces[:, :2]
    return [float(size) for size in np.sqrt(sides.prod(1)) * scale]


def count_sizes(pictures: Sequence[Picture]) -> dict[str, int]:
    """Faces by size."""
    everything = [size for picture in pictures for size in sizes(picture)]
    counts, _ = np.histogram(everything, SIZE_EDGES)
    return dict(zip(SIZE_NAMES, (int(count) for count in counts), strict=True))


def write_report(
    folder: Path, summary: dict[str, Any], train: Sequence[tuple[Picture, Cleaned]], val: Sequence[Picture], seed: int
) -> None:
    """Write `index.html` and its sheets into `folder`."""
    chance = random.Random(seed)
    parts = [f"<h1>Prepared faces</h1><p>Fingerprint <code>{summary['fingerprint']}</code>, seed {seed}</p>"]
    parts.append(_table(summary["sets"]))
    if summary["tight"]:
        parts.append("<h2>Labels mapped to tight boxes</h2>" + _table(summary["tight"]))
    for name in sorted({picture.set_name for picture, _ in train}):
        of_set = [(picture, cleaned) for picture, cleaned in train if picture.set_name == name]
        parts += _sheet(folder, f"train_{name}", chance.sample(of_set, min(25, len(of_set))))
        changed = [entry for entry in of_set if entry[1].added or len(entry[1].ignore)]
        parts += _sheet(folder, f"changed_{name}", chance.sample(changed, min(25, len(changed))))
    for name in sorted({picture.set_name for picture in val}):
        of_val = [picture for picture in val if picture.set_name == name]
        shown = [(picture, Cleaned(picture.faces, 0, picture.ignore)) for picture in of_val]
        parts += _sheet(folder, f"val_{name}", chance.sample(shown, min(25, len(shown))))
    left_out = summary["problems"] + summary["dropped"]
    rows = "".join(f"<tr><td>{html.escape(where)}</td><td>{html.escape(why)}</td></tr>" for where, why in left_out)
    parts.append(f"<h2>Left out ({len(left_out)})</h2><table>{rows}</table>")
    page = f"<!doctype html><meta charset=utf-8><title>Prepared faces</title><style>{STYLE}</style>{''.join(parts)}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(page, encoding="utf-8")


def _table(rows: dict[str, dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr><td>{html.escape(name)}</td>{''.join(f'<td>{row.get(column, 0)}</td>' for column in columns)}</tr>"
        for name, row in rows.items()
    )
    return f"<table><tr><th></th>{head}</tr>{body}</table>"


def _sheet(folder: Path, name: str, entries: Sequence[tuple[Picture, Cleaned]]) -> list[str]:
    if not entries:
        return []
    shown = []
    for picture, cleaned in entries:
        first_added = len(cleaned.labels) - cleaned.added
        layers = [
            (picture.faces, YELLOW),
            (cleaned.labels[:first_added], GREEN),
            (cleaned.labels[first_added:], BLUE),
            (cleaned.ignore, RED),
        ]
        shown.append((picture.path, layers, picture.name))
    write_sheet(folder / f"{name}.jpg", shown)
    legend = "given yellow, used green, added blue, ignored or painted over red"
    return [f"<h2>{html.escape(name)}</h2><p>{legend}</p><img src='{html.escape(name)}.jpg' loading=lazy>"]

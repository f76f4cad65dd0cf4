"""One page about a data set: classes, samples, mean faces, copies, blanks, labels that look wrong.

    python -m classifier_training.explore --images DIR --out runs/explore.html

The page shows people: keep it out of git and off the web.
"""

import argparse
import base64
import html
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from classifier_training.copies import copy_groups
from classifier_training.data import VOTE_NAMES, FaceSet, Reading, read_faces
from classifier_training.errors import run_command, write_whole
from worker.face import EMOTIONS

_SAMPLES = 16
_CANDIDATES = 48
_GROUPS = 24
_BLANK_SPREAD = 3.0
"""A picture whose gray levels have a smaller standard deviation shows nothing."""

_STYLE = """body{font:15px/1.5 system-ui;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222}
h2{margin-top:2rem}figure{display:inline-block;margin:.2rem;text-align:center;font-size:11px}
img{image-rendering:pixelated;width:72px;height:72px}table{border-collapse:collapse}
td,th{padding:.15rem .8rem;border-bottom:1px solid #ddd;text-align:right}
.bar{background:#4878b0;height:.8rem;display:inline-block}"""


def picture(image: NDArray[np.uint8], caption: str = "") -> str:
    """A face as HTML, the PNG inside it."""
    data = base64.b64encode(cv2.imencode(".png", image)[1].tobytes()).decode()
    text = html.escape(caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><br>{text}</figure>'


def blanks(faces: FaceSet) -> NDArray[np.int64]:
    """Indices of the pictures that show nothing."""
    return np.flatnonzero(faces.images.reshape(len(faces), -1).std(axis=1) < _BLANK_SPREAD)


def mislabel_candidates(faces: FaceSet) -> list[tuple[int, str]]:
    """Pictures whose label nobody of FER+'s ten chose though most agree on another emotion; the surest first."""
    columns = [VOTE_NAMES.index(emotion) for emotion in EMOTIONS]
    votes = faces.votes[:, columns].astype(int)
    own = votes[np.arange(len(faces)), faces.labels]
    best = votes.argmax(axis=1)
    strength = np.where((own == 0) & (votes.max(axis=1) >= 6), votes.max(axis=1), 0)
    order = np.argsort(-strength, kind="stable")
    return [(int(i), EMOTIONS[best[i]]) for i in order if strength[i]]


def conflicting_groups(faces: FaceSet, groups: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Groups of near-copies that carry more than one label, as indices."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    found = [members for members in np.split(order, starts[1:]) if len(members) > 1]
    return [members for members in found if len(set(faces.labels[members])) > 1]


def _distribution(faces: FaceSet) -> str:
    counts = Counter(faces.labels.tolist())
    most = max(counts.values())
    rows = [
        f"<tr><th>{name}</th><td>{counts[i]}</td><td>{counts[i] / len(faces) * 100:.1f} %</td>"
        f'<td style="text-align:left"><span class="bar" style="width:{counts[i] / most * 20:.1f}rem"></span></td></tr>'
        for i, name in enumerate(EMOTIONS)
    ]
    return f"<table>{''.join(rows)}</table>"


def _samples(faces: FaceSet, generator: np.random.Generator) -> str:
    parts = []
    for label, name in enumerate(EMOTIONS):
        members = np.flatnonzero(faces.labels == label)
        if not len(members):
            continue
        chosen = generator.choice(members, min(_SAMPLES, len(members)), replace=False)
        mean = faces.images[members].mean(axis=0).astype(np.uint8)
        parts.append(f"<h3>{name}</h3>{picture(mean, 'mean')}{''.join(picture(faces.images[i]) for i in chosen)}")
    return "".join(parts)


def report(reading: Reading, source: str) -> str:
    """The page as HTML that needs nothing else."""
    faces = reading.faces
    groups = copy_groups(faces.images)
    _, sizes = np.unique(groups, return_counts=True)
    empty, conflicts, wrong = blanks(faces), conflicting_groups(faces, groups), mislabel_candidates(faces)
    problems = "".join(f"<li>{html.escape(problem)}</li>" for problem in reading.problems)
    copied = "".join(
        "<p>" + "".join(picture(faces.images[i], EMOTIONS[faces.labels[i]]) for i in members[:6]) + "</p>"
        for members in conflicts[:_GROUPS]
    )
    doubtful = "".join(
        picture(faces.images[i], f"{EMOTIONS[faces.labels[i]]}? {better}") for i, better in wrong[:_CANDIDATES]
    )
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Emotion data</title><style>{_STYLE}</style>
<h1>Emotion data</h1>
<p>{html.escape(source)}: {len(faces)} pictures, {len(reading.problems)} rows that cannot be used.</p>
<ul>{problems}</ul><h2>Classes</h2>{_distribution(faces)}
<h2>Samples and mean faces</h2>{_samples(faces, np.random.default_rng(0))}
<h2>Copies</h2><p>{int(sizes[sizes > 1].sum())} pictures in {int((sizes > 1).sum())} groups of near-copies (24x24 gray
correlation of 0.95 and more, mirrored too); {len(conflicts)} groups carry more than one label.</p>{copied}
<h2>Blanks</h2><p>{len(empty)} pictures show nothing.</p>
{"".join(picture(faces.images[i]) for i in empty[:_SAMPLES])}
<h2>Labels that look wrong</h2><p>{len(wrong)} pictures carry a label that none of FER+'s ten people chose while at
least six agree on another emotion. Under each: the label, then what they chose.</p>{doubtful}</html>
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder, csv or parquet")
    parser.add_argument("--split", choices=("train", "validation", "test"))
    parser.add_argument("--out", type=Path, required=True, help="the page (.html)")
    parser.add_argument("--strict", action="store_true", help="a row that cannot be used is an error")
    options = parser.parse_args()
    page = report(read_faces([options.images], options.split, strict=options.strict), options.images.name)
    write_whole(options.out, page.encode())
    print(f"{options.out} written; it shows people, keep it out of git")


if __name__ == "__main__":
    run_command(main)

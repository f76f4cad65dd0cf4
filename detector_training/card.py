"""The model card of a detector bundle."""

from __future__ import annotations

from typing import Any

LICENCE_CODE = "AGPL-3.0-or-later; the weights start from Ultralytics' YOLO11n (AGPL-3.0)"
LICENCE_DATA = (
    "WIDER FACE and ImageNet are for research only; Dataturks, ilc and sy32 state no licence, mask853 none or MIT: "
    "commercial use of the weights is not cleared"
)

CARD = """# {name} {version}

A face detector: YOLO11n with one class, class branch {class_width} wide, {gmac} GMAC a picture at most.

## Use
Input: a letterboxed picture in one of the manifest's shapes ({shapes}), BGR, full range.
Output: boxes and scores. A box is **tight**: forehead to chin, without hair and ears, as WIDER FACE's labels.
Working threshold {threshold:.3f}: {threshold_source}.

## Training
{training}

## Data and licences
Dataturks' face export, WIDER FACE (12 of its events), mask853, ilc (portraits and groups with masks), sy32 (news
portraits); negatives: 442 of the pictures that EliSchwartz/imagenet-sample-images on GitHub shows of ImageNet's classes
(ImageNet is for non-commercial research), some with drawings of Openclipart (public domain) and Tux Paint's stamps
(GPL-2) printed on them. {licence_data}. Code and weights: {licence_code}.
223 pictures of WIDER FACE's validation set are among the training pictures, so no official WIDER FACE score is quoted.

## Figures
On pictures that no training saw. AP by faster-coco-eval: 101 points, up to 2,000 boxes a picture, scores from 0.01;
detections that match no label and lie at least half inside an ignore region do not count. Dataturks' and ilc's labels
follow other box conventions than the one shipped, so AP40 says more there than AP50. Recall and false faces are at the
working threshold and IoU 0.5. Intervals: 95 %, bootstrap over pictures.

{figures}
## Limits
Faces under 16 px of the input are found about half of the time; masks and hands over faces, profiles and faces seen
from above are found less often than frontal ones. Painted, printed and drawn faces, dolls and masks are found too:
the detector says where something looks like a face, not that a person is there. Who is missed more often (age, skin,
headwear) has not been measured on data made for that.
"""


def write_card(manifest: dict[str, Any], threshold_source: str, training: str) -> str:
    """The card's text for a manifest (as JSON values, `metrics` as `export` fills them)."""
    return CARD.format(
        name=manifest["name"],
        version=manifest["version"],
        class_width=manifest["class_width"],
        shapes=", ".join(f"{width}x{height}" for width, height in manifest["input_shapes"]),
        gmac=manifest["gmac"],
        threshold=manifest["thresholds"]["score"],
        threshold_source=threshold_source,
        training=training,
        licence_data=LICENCE_DATA[0].upper() + LICENCE_DATA[1:],
        licence_code=LICENCE_CODE,
        figures="\n".join(_table(precision, sets) for precision, sets in manifest["metrics"].items()),
    )


def _table(precision: str, sets: dict[str, dict[str, Any]]) -> str:
    columns = ("AP40", "AP50", "AP75", "AP50_95", "recall", "false_per_image", "images", "boxes")
    lines = [f"### {precision}", "", "| set | " + " | ".join(columns) + " | AP50 interval |", "|---" * 10 + "|"]
    for name, row in sets.items():
        low_high = row["intervals"]["AP50"]
        interval = "-" if low_high is None else f"{low_high[0]:.2f}-{low_high[1]:.2f}"
        lines.append(f"| {name} | " + " | ".join(_cell(row[column]) for column in columns) + f" | {interval} |")
    return "\n".join(lines) + "\n"


def _cell(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"

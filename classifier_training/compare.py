"""One table and one plot over all runs.

    python -m classifier_training.compare runs/*.json --out runs/compare

Every file is what `evaluate --json` (or `classic --json`) wrote; a run's folder beside it, `runs/NAME` for
`runs/NAME.json`, adds epochs and minutes. Peers and the original reports stand in `peers.yaml`, with their source.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import yaml

from classifier_training.errors import TrainingError, run_command
from classifier_training.runs import WEIGHTS, read_weights

_PEERS = Path(__file__).with_name("peers.yaml")
_COLUMNS = (
    "model", "epochs", "minutes", "parameters", "gmac", "accuracy", "macro_f1", "ece", "24px", "motion_blur",
    "loose_box",
)  # fmt: skip


def read_row(path: Path) -> dict[str, Any]:
    """A row of the table from a file of figures.

    Raises:
        TrainingError: not such a file.
    """
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
        row: dict[str, Any] = {key: figures.get(key) for key in _COLUMNS} | (figures.get("robustness") or {})
        row |= {"model": path.stem, "accuracy": float(figures["accuracy"]), "classes": len(figures["per_class"])}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise TrainingError(f"{path}: not the figures that evaluate writes ({error})") from error
    weights = path.with_suffix("") / WEIGHTS
    if weights.exists():
        found = read_weights(weights)
        row |= {"epochs": found.epoch, "minutes": round(found.seconds / 60, 1)}
        row["parameters"] = sum(tensor.numel() for tensor in found.net.values())
    return row


def peer_rows() -> list[dict[str, Any]]:
    """The peers' figures, each with where it comes from."""
    return [dict(row) for row in yaml.safe_load(_PEERS.read_text(encoding="utf-8"))]


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table, the best accuracy first; shares as per cent."""
    shares = {"accuracy", "macro_f1", "24px", "motion_blur", "loose_box"}

    def cell(row: dict[str, Any], column: str) -> str:
        value = row.get(column)
        if value is None:
            return ""
        if column in shares:
            return f"{value * 100:.1f}"
        if column == "parameters":
            return f"{value / 1e6:.2f} M"
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    lines = [f"| {' | '.join(_COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}"]
    ordered = sorted(rows, key=lambda row: -float(row["accuracy"]))
    lines += [f"| {' | '.join(cell(row, column) for column in _COLUMNS)} |" for row in ordered]
    return "\n".join(lines) + "\n"


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Horizontal bars of accuracy, ours and peers in two colours."""
    ordered = sorted(rows, key=lambda row: float(row["accuracy"]))
    figure, axes = plt.subplots(figsize=(7, 0.35 * len(ordered) + 1))
    colours = ["tab:orange" if row.get("source") else "tab:blue" for row in ordered]
    bars = axes.barh([row["model"] for row in ordered], [row["accuracy"] * 100 for row in ordered], color=colours)
    axes.bar_label(bars, fmt="%.1f", padding=2, fontsize=8)
    axes.set(xlabel="accuracy, % (blue: this package, orange: others' figures)", xlim=(0, 100))
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=Path, nargs="+", help="files that evaluate --json wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for table.md and accuracy.png")
    options = parser.parse_args()
    rows = [read_row(path) for path in options.figures] + peer_rows()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "table.md").write_text(table(rows), encoding="utf-8")
    plot(rows, options.out / "accuracy.png")
    print(table(rows))


if __name__ == "__main__":
    run_command(main)

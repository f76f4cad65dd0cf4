"""The mean of two stages' weights: what the later stage learnt, with most of what it forgot.

    python -m detector_training.average FIRST.safetensors SECOND.safetensors --out MEAN.safetensors

WiSE-FT (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", arXiv 2109.01903) at its usual coefficient of
one half, for two networks of which the second was fine-tuned from the first.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from torch import Tensor

from detector_training.errors import RunError, run_command
from detector_training.network import read_about, read_weights, write_weights


def mean_of(first: dict[str, Tensor], second: dict[str, Tensor]) -> dict[str, Tensor]:
    """Half of each, parameter by parameter; batch norms' statistics too, their integer counters from `second`.

    Raises:
        RunError: the two are not of one architecture.
    """
    for name in first.keys() | second.keys():
        if name not in first or name not in second or first[name].shape != second[name].shape:
            raise RunError(f"the two networks differ at {name}: only two stages of one network have a mean")
    return {name: (first[name] + value) / 2 if value.is_floating_point() else value for name, value in second.items()}


def _named(path: Path) -> str:
    epoch = read_about(path).get("epoch")
    after = f"after epoch {epoch}, " if epoch else ""
    return f"{path.name} ({after}SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()})"


def main() -> None:
    parser = argparse.ArgumentParser(prog="detector_training.average", description=__doc__.split("\n")[0])
    parser.add_argument("first", type=Path, help="weights of the earlier stage")
    parser.add_argument("second", type=Path, help="weights that were fine-tuned from them")
    parser.add_argument("--out", type=Path, required=True, help="file of the mean, .safetensors")
    args = parser.parse_args()
    if args.out.suffix != ".safetensors":
        raise RunError(f"{args.out}: name a .safetensors file")
    state = mean_of(read_weights(args.first), read_weights(args.second))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_weights(state, args.out, {"mean_of": f"{_named(args.first)} and {_named(args.second)}"})
    print(f"wrote {args.out}")


if __name__ == "__main__":
    raise SystemExit(run_command(main))

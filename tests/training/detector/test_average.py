"""The mean of two stages is half of each, and only of one architecture."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from detector_training.average import mean_of  # noqa: E402
from detector_training.errors import RunError  # noqa: E402
from detector_training.network import read_about, read_weights, write_weights  # noqa: E402

pytestmark = pytest.mark.torch


def test_each_parameter_is_halfway() -> None:
    mean = mean_of(
        {"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(3)}, {"w": torch.tensor([3.0, 2.0]), "n": torch.tensor(9)}
    )
    assert mean["w"].tolist() == [2.0, 2.0]
    assert mean["n"].item() == 9


@pytest.mark.parametrize("other", [{"w": torch.zeros(3)}, {"v": torch.zeros(2)}, {}])
def test_other_networks_have_no_mean(other: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="differ at"):
        mean_of({"w": torch.zeros(2)}, other)


def test_the_command_says_what_went_in(tmp_path: Path) -> None:
    for name, value, about in (("a", 0.0, {}), ("b", 1.0, {"epoch": "4", "settings": "{}"})):
        write_weights({"w": torch.full((2,), value)}, tmp_path / f"{name}.safetensors", about)
    command = [sys.executable, "-m", "detector_training.average", *(str(tmp_path / f"{n}.safetensors") for n in "ab")]
    subprocess.run([*command, "--out", str(tmp_path / "mean.safetensors")], check=True, timeout=120)
    assert read_weights(tmp_path / "mean.safetensors")["w"].tolist() == [0.5, 0.5]
    parts = read_about(tmp_path / "mean.safetensors")["mean_of"]
    assert re.fullmatch(r"a.safetensors \(SHA-256 \w{64}\) and b.safetensors \(after epoch 4, SHA-256 \w{64}\)", parts)
    unwritten = [*command, "--out", str(tmp_path / "mean.pt")]
    wrong = subprocess.run(unwritten, check=False, capture_output=True, text=True, timeout=120)
    assert wrong.returncode == 78
    assert wrong.stderr.count("\n") == 1

"""bf16 is computed where it was asked for, or where the hardware has it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from worker.models.bf16 import computes_in_bf16  # noqa: E402

pytestmark = pytest.mark.torch


def test_a_named_precision_is_taken() -> None:
    assert computes_in_bf16("bf16", "cpu")
    assert not computes_in_bf16("f32", "cpu")


@pytest.mark.parametrize(
    ("has", "wanted"),
    [({"avx2": True, "avx512_f": True}, False), ({"avx512_bf16": True}, True), ({"amx_bf16": True}, True)],
)
def test_auto_asks_the_cpu(monkeypatch: pytest.MonkeyPatch, has: dict[str, bool], wanted: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    assert computes_in_bf16("auto", "cpu") is wanted

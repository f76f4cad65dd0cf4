"""bf16 is computed where it was asked for, or where it is faster than f32."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.models.bundles import shipped_classifier
from worker.models import bf16, openvino_backend
from worker.models.backends import choose_backend, open_backend
from worker.models.bf16 import bf16_pays, computes_in_bf16

ZEN4 = ("AuthenticAMD", "avx2 avx512f avx512_bf16")
XEON = ("GenuineIntel", "avx2 avx512f avx512_bf16 amx_bf16 amx_tile")
XEON_WITHOUT_AMX = ("GenuineIntel", "avx2 avx512f avx512_bf16")
OLDER_AMD = ("AuthenticAMD", "avx2")


def cpuinfo(folder: Path, vendor: str, flags: str) -> Path:
    """/proc/cpuinfo of two cores."""
    core = f"vendor_id\t: {vendor}\nmodel name\t: a CPU: fast\nflags\t\t: fpu {flags}\nbugs\t\t:\n"
    (folder / "cpuinfo").write_text(f"processor\t: 0\n{core}\nprocessor\t: 1\n{core}\n")
    return folder / "cpuinfo"


@pytest.mark.parametrize(("cpu", "pays"), [(ZEN4, True), (XEON, True), (XEON_WITHOUT_AMX, False), (OLDER_AMD, False)])
def test_a_cpu_gains_from_bf16_or_loses(tmp_path: Path, cpu: tuple[str, str], pays: bool) -> None:
    assert bf16_pays(cpuinfo(tmp_path, *cpu)) is pays


def test_of_other_systems_it_is_not_known(tmp_path: Path) -> None:
    assert bf16_pays(tmp_path / "none") is None
    (tmp_path / "arm").write_text("processor\t: 0\nFeatures\t: fp asimd bf16\n")
    assert bf16_pays(tmp_path / "arm") is None


@pytest.mark.parametrize("pays", [False, None])
def test_openvino_keeps_to_f32_where_bf16_loses(monkeypatch: pytest.MonkeyPatch, pays: bool | None) -> None:
    monkeypatch.setattr(openvino_backend, "bf16_pays", lambda: pays)
    backend = openvino_backend.OpenVinoBackend(shipped_classifier().path / "model.xml")
    native = backend._core.get_property("CPU", "INFERENCE_PRECISION_HINT").to_string()
    assert backend.precision == ("f32" if pays is False else openvino_backend._PRECISIONS[native])


def test_the_worker_asks_this_machine() -> None:
    backend = open_backend(shipped_classifier(), choose_backend("openvino"))
    if bf16_pays() is False:
        assert backend.precision == "f32"


@pytest.mark.torch
def test_a_named_precision_is_taken() -> None:
    assert computes_in_bf16("bf16", "cpu")
    assert not computes_in_bf16("f32", "cpu")


@pytest.mark.torch
@pytest.mark.parametrize("pays", [True, False])
def test_torch_follows_the_cpu(monkeypatch: pytest.MonkeyPatch, pays: bool) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(bf16, "bf16_pays", lambda: pays)
    assert computes_in_bf16("auto", "cpu") is pays


@pytest.mark.torch
@pytest.mark.parametrize("has", [True, False])
def test_where_it_is_not_known_torch_says_what_the_cpu_can(monkeypatch: pytest.MonkeyPatch, has: bool) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(bf16, "bf16_pays", lambda: None)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"bf16": has})
    assert computes_in_bf16("auto", "cpu") is has

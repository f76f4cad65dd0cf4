"""Where computing in bf16 is faster than in f32; a CPU that can is not always one that should."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

CPUINFO = Path("/proc/cpuinfo")


def bf16_pays(cpuinfo: Path = CPUINFO) -> bool | None:
    """Whether this CPU computes in bf16 faster than in f32; None where that is not known (not Linux on x86).

    With AMX it does. With AVX-512 BF16 alone it does on AMD (Zen 4: 0.47 of the time of f32), not on Intel: there the
    shipped detector took 1.57 times as long as in f32, the classifier in batches of eight 1.49 times
    (docs/decisions/0011). A CPU with neither emulates it: eleven times as long for a training step of YOLO11n.
    """
    if not cpuinfo.exists():
        return None
    fields = dict(line.split(":", 1) for line in cpuinfo.read_text(encoding="utf-8").splitlines() if ":" in line)
    facts = {name.strip(): value.split() for name, value in fields.items()}
    if "flags" not in facts:  # not x86
        return None
    flags, amd = facts["flags"], facts.get("vendor_id") == ["AuthenticAMD"]
    return "amx_bf16" in flags or ("avx512_bf16" in flags and amd)


def computes_in_bf16(precision: Literal["auto", "bf16", "f32"], device: str) -> bool:
    """Whether torch is to compute in bf16 on `device` ("cpu" or a CUDA device); `auto`: where it is faster than f32."""
    if precision != "auto":
        return precision == "bf16"
    import torch

    if device != "cpu":
        return bool(torch.cuda.is_bf16_supported())
    pays = bf16_pays()
    if pays is None:
        has = torch.cpu.get_capabilities()
        return any(bool(has.get(name)) for name in ("amx_bf16", "bf16", "arm_bf16"))
    return pays

"""Shows what `probe` found: a sheet for one source, a table for several, or plain values for programs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from av.codec.hwaccel import hwdevices_available
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from worker.commands.look import Look
from worker.commands.verdict import Grade, Judgement, SeenFace

STYLES = {Grade.READY: "bold green", Grade.LIMITED: "bold yellow", Grade.UNFIT: "bold red"}
_GPU_FILES = {"cuda": "/dev/nvidiactl", "qsv": "/dev/dri/renderD128"}
_Row = tuple[str, Look | None, Judgement | None, str]


def show_sheet(console: Console, url: str, look: Look, judgement: Judgement, entry: str) -> None:
    """Everything about one source, the verdict, and the settings entry last."""
    sheet = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    sheet.add_column(style="bold", no_wrap=True)
    sheet.add_column(overflow="fold")
    for name, told in _sheet(look, judgement):
        sheet.add_row(name, told)
    console.print(f"\n[bold]{escape(url)}[/bold]\n", highlight=False)
    console.print(sheet, highlight=False)
    console.print()
    _show_verdict(console, judgement)
    _show_entry(console, [entry])


def _show_verdict(console: Console, judgement: Judgement) -> None:
    console.print(Text("verdict  ").append(judgement.grade.value, style=STYLES[judgement.grade]))
    findings = Table.grid(padding=(0, 1))
    for finding in judgement.findings:
        findings.add_row("  -", escape(finding))
    if judgement.findings:
        console.print(findings, highlight=False)


def _show_entry(console: Console, entries: Sequence[str]) -> None:
    """Without styles and folding, so that it can be copied or cut out of a pipe."""
    console.print("\n[dim]for the settings:[/dim]\n")
    print("streams:")
    for entry in entries:
        print(re.sub("^", "  ", entry, flags=re.MULTILINE))


def show_table(console: Console, rows: Sequence[_Row]) -> None:
    """A line a source, then what speaks against each, then the entries."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=0)
    for title in ("stream", "verdict", "video", "fps", "key\nframe", "first\npicture", "faces", "this\nmachine"):
        right = title in ("fps", "key\nframe", "first\npicture")
        folds = title in ("stream", "video", "faces")
        table.add_column(title, justify="right" if right else "left", overflow="fold", no_wrap=not folds)
    for stream, look, judgement, _ in rows:
        name = Text(stream, style="bold")
        if look is None or judgement is None:
            table.add_row(name, Text(Grade.UNFIT.value, style=STYLES[Grade.UNFIT]), "-", "", "", "", "-", "")
            continue
        table.add_row(
            name,
            Text(judgement.grade.value, style=STYLES[judgement.grade]),
            f"{look.codec} {look.width}x{look.height}",
            "?" if look.fps is None else f"{look.fps:.1f}",
            "?" if look.key_step_s is None else f"{look.key_step_s:.1f} s",
            f"{look.first_frame_s:.1f} s",
            _faces_briefly(judgement),
            f"{judgement.cost.streams or 'not one'} fit{'s' if judgement.cost.streams < 2 else ''}",
        )
    console.print(table)
    for stream, _, judgement, _ in rows:
        for finding in () if judgement is None else judgement.findings:
            line = Text().append(stream, style="bold").append(f": {finding}")
            console.print(line, highlight=False)
    entries = [entry for *_, entry in rows if entry]
    if entries:
        _show_entry(console, entries)


def _sheet(look: Look, judgement: Judgement) -> list[tuple[str, str]]:
    cost = judgement.cost
    kept = ", profile " + look.profile if look.profile else ""
    return [
        ("video", f"{look.codec}{kept}, {look.width} x {look.height} upright, {look.pixel_format}{_bits(look)}"),
        ("frames", _rate(look)),
        ("key frames", _keys(look)),
        ("first picture", f"after {look.first_frame_s:.2f} s" + (f" over {look.transport}" if look.transport else "")),
        ("damage", "none" if not look.damaged else f"{look.damaged} damaged packets or pictures"),
        ("camera's clock", _clock(look)),
        ("hardware decode", hardware(look.codec)),
        ("faces", _faces(look, judgement.faces)),
        ("light", f"{judgement.light:.0%} of white on average{_face_light(judgement.faces)}"),
        (
            "this machine",
            f"decoding takes {cost.decode_cores:.2f} of a core ({look.decode_ms:.1f} ms a frame), inference "
            f"{cost.inference:.0%} of what it can at {cost.fps:.0f} frames a second: "
            f"{cost.streams or 'not even one'} such stream{'' if cost.streams in (0, 1) else 's'} fit"
            f"{'s' if cost.streams in (0, 1) else ''}",
        ),
    ]


def _bits(look: Look) -> str:
    return "" if look.bit_rate is None else f", {look.bit_rate / 1e6:.1f} Mbit/s"


def _rate(look: Look) -> str:
    said = "says nothing of its rate" if look.declared_fps is None else f"says {look.declared_fps:.2f} a second"
    sent = "too few to measure" if look.fps is None else f"{look.fps:.2f} measured"
    kinds = "with B-frames" if look.b_frames else "no B-frames"
    return f"{said}, {sent} ({look.frames} seen), {kinds}{', interlaced' if look.interlaced else ''}"


def _keys(look: Look) -> str:
    if look.key_step_s is None:
        return f"{len(look.keys)} seen: their distance is longer than it was watched"
    return f"every {look.key_step_s:.2f} s at the longest ({max(np.diff(look.keys))} frames)"


def _clock(look: Look) -> str:
    if not look.live:
        return "none: a file"
    if not look.clock_offsets:
        return "not told (no RTCP sender report so far): arrival times are used"
    offset = max(offset for _, offset in look.clock_offsets)
    told = f"told by RTCP, {offset:+.3f} s against this machine's"
    if look.clock_drift is None:
        return f"{told} (watch for longer to see it move)"
    moved, seconds = look.clock_drift
    return f"{told}, moved {1000 * moved:+.0f} ms in {seconds:.0f} s"


def hardware(codec: str) -> str:
    """Whether a GPU decodes, and why not. The worker decodes on the CPU; this says what there would be."""
    built_in = [kind for kind in hwdevices_available() if kind in _GPU_FILES]
    here = [kind for kind in built_in if Path(_GPU_FILES[kind]).exists()]
    if not here:
        return f"no: there is no GPU here that the video library could use ({', '.join(built_in)}); the CPU decodes"
    return f"no: there is a GPU here ({', '.join(here)}), but this worker decodes {codec} on the CPU"


def _faces(look: Look, faces: Sequence[SeenFace]) -> str:
    if not faces:
        return f"none in {len(look.samples)} pictures"
    sizes = [face.quality.size_px for face in faces]
    most = max(Counter(face.sample for face in faces).values())
    told = Counter(face.label for face in faces if not face.refused)
    refused = Counter(str(face.refused).replace("_", " ") for face in faces if face.refused)
    seen = ", ".join(f"{label} {count}" for label, count in told.most_common())
    silent = "".join(f"; {count} {reason}" for reason, count in refused.most_common())
    pictures = len({face.sample for face in faces})
    return (
        f"on {pictures} of {len(look.samples)} pictures, up to {most} at once, {min(sizes):.0f} to {max(sizes):.0f} px "
        f"(median {np.median(sizes):.0f}): {seen or 'none large and clear enough to read'}{silent}"
    )


def _face_light(faces: Sequence[SeenFace]) -> str:
    if not faces:
        return ""
    light = np.median([face.quality.brightness for face in faces])
    sharp = np.median([face.quality.sharpness for face in faces])
    return f"; on faces {light:.0%}, sharpness {sharp:.2f} of 1"


def _faces_briefly(judgement: Judgement) -> str:
    if not judgement.faces:
        return "none"
    sizes = [face.quality.size_px for face in judgement.faces]
    most = max(Counter(face.sample for face in judgement.faces).values())
    return f"{most}, {min(sizes):.0f}-{max(sizes):.0f} px"


def facts(url: str, look: Look | None, judgement: Judgement | None, error: str | None) -> dict[str, Any]:
    """Everything measured, for programs; seconds, pixels, shares."""
    if look is None or judgement is None:
        return {"url": url, "verdict": Grade.UNFIT.value, "error": error}
    faces = judgement.faces
    return {
        "url": url,
        "verdict": judgement.grade.value,
        "findings": list(judgement.findings),
        "codec": look.codec,
        "profile": look.profile,
        "pixel_format": look.pixel_format,
        "width": look.width,
        "height": look.height,
        "bit_rate": look.bit_rate,
        "declared_fps": look.declared_fps,
        "measured_fps": look.fps,
        "frames": look.frames,
        "key_frame_s": look.key_step_s,
        "b_frames": bool(look.b_frames),
        "interlaced": bool(look.interlaced),
        "damaged": look.damaged,
        "first_picture_s": look.first_frame_s,
        "clock_offset_s": max((offset for _, offset in look.clock_offsets), default=None),
        "clock_drift_s": None if look.clock_drift is None else look.clock_drift[0],
        "hardware_decode": hardware(look.codec),
        "pictures": len(look.samples),
        "faces": [
            {"size_px": f.quality.size_px, "sharpness": f.quality.sharpness, "brightness": f.quality.brightness,
             "refused": f.refused, "label": f.label, "confidence": f.confidence}
            for f in faces
        ],
        "light": judgement.light,
        "decode_ms": look.decode_ms,
        "decode_cores": judgement.cost.decode_cores,
        "inference_share": judgement.cost.inference,
        "streams_that_fit": judgement.cost.streams,
    }  # fmt: skip

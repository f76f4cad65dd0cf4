"""What must not be in any file of the repository: registries' hosts, paths of a machine, video, unfinished business."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VIDEO = {".mp4", ".mkv", ".avi", ".mov", ".webm", ".ts"}
HOSTS = [r"py" + r"pi\.org", r"python" + r"hosted", r"registry\.np" + r"mjs", r"deb\.debian"]
PATHS = ["/" + folder + "/" for folder in ("wo" + "rk", "ro" + "ot")]
UNFINISHED = [r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bHA" + r"CK\b"]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_video_is_in_the_repository() -> None:
    assert [path.name for path in tracked() if path.suffix in VIDEO and b"\0" in path.read_bytes()[:4096]] == []


def test_no_file_names_a_registry_or_a_machines_path_or_unfinished_business() -> None:
    pattern = re.compile("|".join(HOSTS + PATHS + UNFINISHED).encode())
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" in data[:4096]:
            continue
        found += [f"{path.relative_to(ROOT)}: {line[:80]!r}" for line in data.splitlines() if pattern.search(line)]
    assert found == []


def test_a_bundle_is_small() -> None:
    for bundle in (ROOT / "worker" / "bundles").glob("*/"):
        assert sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file()) < 25e6, bundle.name

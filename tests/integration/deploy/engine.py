"""Runs a Dockerfile's own steps without an engine: in a private mount namespace, with a root made of the system's /usr
and a private /etc, and with python from the interpreter of these tests in the place of the base image's.

Enough for RUN, COPY, ENV, WORKDIR, USER, ENTRYPOINT and CMD as deploy/Dockerfile uses them. Needs root and Linux.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Stage:
    """What a stage says, its base's steps first. `steps`: RUN and COPY in order, as (instruction, text)."""

    base: str
    environ: list[str] = field(default_factory=list)
    steps: list[tuple[str, str]] = field(default_factory=list)
    workdir: str = "/"
    user: str = "0:0"
    other: dict[str, str] = field(default_factory=dict)


def read(dockerfile: Path) -> dict[str, Stage]:
    """The stages by name."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.M)
    stages: dict[str, Stage] = {}
    stage = Stage("")
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            parent = stages.get(base, Stage(base))
            stage = stages[name] = Stage(
                parent.base, [*parent.environ], [*parent.steps], parent.workdir, parent.user, {**parent.other}
            )
        elif word == "ENV":
            stage.environ += shlex.split(rest.replace("$", r"\$"))
            stage.steps.append(("ENV", rest))
        elif word in ("RUN", "COPY"):
            stage.steps.append((word, rest))
        elif word == "WORKDIR":
            stage.workdir = rest
            stage.steps.append((word, rest))
        elif word == "USER":
            stage.user = rest
        elif word:
            stage.other[word] = rest
    return stages


def context(root: Path, ignore: Path, to: Path) -> Path:
    """What a builder would be sent: tracked and untracked files that the allow-list of `ignore` lets in."""
    wanted = [line[1:].strip() for line in ignore.read_text().splitlines() if line.startswith("!")]
    for name in wanted:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, to / name)
    return to


def environment(stage: Stage) -> dict[str, str]:
    """The stage's variables, on top of how this machine reaches its packages."""
    python = Path(sys.base_prefix) / "bin"
    found = {name: value for name, value in os.environ.items() if re.match(r"(PIP|UV)_|SSL_|.*_proxy$", name, re.I)}
    found |= {"PATH": f"{python}:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    for assignment in stage.environ:
        name, _, value = assignment.partition("=")
        found[name] = re.sub(r"\$(\w+)", lambda match: found.get(match[1], ""), value)
    return found


def build_script(stage: Stage, context_at: str) -> str:
    """A shell script of the stage's RUN and COPY steps, unchanged, in order."""
    lines = ["set -eu"]
    for word, text in stage.steps:
        if word == "RUN":
            lines.append(text)
        elif word == "WORKDIR":
            lines.append(f"mkdir -p {text}; cd {text}")
        elif word == "COPY" and not text.startswith("--from"):
            *sources, to = text.split()
            lines += [f"mkdir -p {to}" if to.endswith("/") or len(sources) > 1 else ":"]
            lines += [f"cp -r {context_at}/{source} {to}" for source in sources]
    return "\n".join(lines)


def inside(script: str, binds: Mapping[Path, str], read_only: bool) -> list[str]:
    """The command that runs `script` by sh in a root of its own; `binds` are folders by their place in it."""
    parts = ["set -eu", "N=$(mktemp -d)", "mount -t tmpfs -o mode=755 root $N"]
    for name in ("usr", "bin", "sbin", "lib", "lib64"):
        link = Path("/", name)
        parts.append(f"ln -s {link.readlink()} $N/{name}" if link.is_symlink() else f"mkdir $N/{name}")
    parts.append("mount --bind /usr $N/usr; cp -a /etc $N/etc; mkdir -p $N/proc $N/dev $N/tmp $N/config")
    parts.append("mount --rbind /proc $N/proc; mount --rbind /dev $N/dev; mount -t tmpfs -o mode=1777 tmp $N/tmp")
    shown = {Path(sys.base_prefix): sys.base_prefix, **binds}
    shown |= {path: str(path) for path in Path("/opt").glob("*") if path.is_dir()}
    for source, place in shown.items():
        parts.append(f"mkdir -p $N{place}; mount --bind {shlex.quote(str(source))} $N{place}")
    if read_only:
        parts += [f"mount -o remount,ro,bind $N{place}" for place in shown.values()]
        parts.append("mount -o remount,ro $N")
    parts.append(f"exec chroot $N /bin/sh -c {shlex.quote(script)}")
    return ["unshare", "--mount", "/bin/sh", "-c", "\n".join(parts)]


def as_worker(stage: Stage) -> str:
    """A script that becomes the image's process: its user, its ENTRYPOINT and CMD."""
    uid, gid = stage.user.split(":")
    words = [*json.loads(stage.other["ENTRYPOINT"]), *json.loads(stage.other["CMD"])]
    become = f"setpriv --reuid {uid} --regid {gid} --clear-groups --no-new-privs --bounding-set=-all"
    return f"cd {stage.workdir}; exec {become} {shlex.join(words)}"


def need_namespaces() -> None:
    """Skip (CI: fail) where a private mount namespace cannot be had."""
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    if tried.returncode == 0 and os.geteuid() == 0:
        return
    reason = "needs root and mount namespaces: sudo pytest, or a container with CAP_SYS_ADMIN"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)

"""Fetch pictures by URL: bounded, parallel, retried, and resumed where an earlier run stopped."""

from __future__ import annotations

import hashlib
import http.client
import random
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from detector_training.pictures import Problem

CHUNK = 1 << 16
MISSING = frozenset({400, 401, 403, 404, 410, 451})
"""Answers that no retry mends."""


class _Gone(Exception):
    """This picture cannot be had."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Bounds of the download: threads, tries a picture, seconds without a byte, bytes a picture, first pause."""

    parallel: int = 8
    tries: int = 4
    timeout_s: float = 20.0
    max_bytes: int = 64 << 20
    pause_s: float = 0.5


@dataclass(slots=True)
class Fetched:
    """Pictures that lie on disk, by URL, and those that are gone."""

    paths: dict[str, Path] = field(default_factory=dict)
    gone: list[Problem] = field(default_factory=list)


def file_name(url: str) -> str:
    """A file name for a URL: its last part made safe, after 12 digits of its hash (so that no two URLs collide)."""
    last = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).name or "picture"
    safe = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in last)[-80:]
    return f"{hashlib.sha256(url.encode()).hexdigest()[:12]}_{safe}"


def fetch_pictures(urls: Sequence[str], folder: Path, limits: FetchLimits | None = None) -> Fetched:
    """Fetch every URL into `folder`, with a progress bar. What lies there whole is not fetched again; what was cut
    off goes on where it stopped (HTTP Range), from its `.part` file."""
    limits = limits or FetchLimits()
    folder.mkdir(parents=True, exist_ok=True)
    result = Fetched()
    stop = threading.Event()
    with ThreadPoolExecutor(limits.parallel, thread_name_prefix="fetch") as pool:
        waiting = {pool.submit(_fetch, url, folder / file_name(url), limits, stop): url for url in dict.fromkeys(urls)}
        try:
            for done in tqdm(as_completed(waiting), total=len(waiting), desc="pictures", unit="picture"):
                url = waiting[done]
                try:
                    result.paths[url] = done.result()
                except _Gone as reason:
                    result.gone.append(Problem(url, str(reason)))
        finally:  # after Ctrl-C or on a full disk: what waits is not begun, what runs ends at its next pause
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
    result.gone.sort()
    return result


def _fetch(url: str, path: Path, limits: FetchLimits, stop: threading.Event) -> Path:
    if path.exists():
        return path
    if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
        raise _Gone("not an http or https address")
    part = path.with_name(path.name + ".part")
    reason = "no try was made"
    for attempt in range(limits.tries):
        if attempt:
            stop.wait(limits.pause_s * 2 ** (attempt - 1) * (0.5 + random.random()))
        if stop.is_set():
            break
        try:
            _continue(url, part, limits)
            part.replace(path)
            return path
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            error.close()
            if error.code == 416:  # the part is longer than the file: begin again
                part.unlink(missing_ok=True)
            if error.code in MISSING:
                break
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
    raise _Gone(reason)


def _continue(url: str, part: Path, limits: FetchLimits) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "emotion-worker-prepare/1", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=limits.timeout_s) as answer:
        resumed = answer.status == 206
        have = have if resumed else 0
        length = answer.headers.get("Content-Length")
        expected = have + int(length) if length and length.isdigit() else None
        if expected is not None and expected > limits.max_bytes:
            raise _Gone(f"larger than {limits.max_bytes} bytes")
        with part.open("ab" if resumed else "wb") as file:
            got = have + _copy(answer, file, limits.max_bytes - have)
    if got > limits.max_bytes:
        part.unlink(missing_ok=True)
        raise _Gone(f"larger than {limits.max_bytes} bytes")
    if expected is not None and got < expected:
        raise ConnectionError(f"cut off after {got} of {expected} bytes")
    if not got:
        raise ConnectionError("the answer was empty")


def _copy(source: BinaryIO, target: BinaryIO, allowed: int) -> int:
    copied = 0
    while copied <= allowed:
        chunk = source.read(CHUNK)
        if not chunk:
            break
        target.write(chunk)
        copied += len(chunk)
    return copied

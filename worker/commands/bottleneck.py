"""How many streams hold, and what binds when one more is too much: for `capacity`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_ENOUGH = 0.9
"""Share of the wanted frames that a stream must get: a worker that skips keeps its latency low."""
_BUSY = 0.9
_FULL = 0.85
_STARVED = 0.6
"""A core that is worked on for a second but runs for less than this share of it is taken by other programs."""
_CROWDED = 1 / 3
"""Other programs that have this share of a machine without an idle core decide more than any part of the worker."""


@dataclass(frozen=True, slots=True)
class Step:
    """What was measured with a number of streams.

    Attributes:
        streams: how many there were.
        wanted_fps, fps: frames a second that each stream asks for, and that the least served one got.
        p50_ms, p95_ms: from a frame's arrival to its place in Redis, all streams together.
        worst_p95_ms: of the slowest stream.
        cores: cores that the worker may use.
        used: cores that the worker used.
        machine_cores, others: cores of the whole machine, and those that other programs used.
        stages: seconds a second that frames spent in each stage, all streams together.
        inference_busy: share of the time in which the inference thread worked.
        waiting: records that waited to be published, at the end.
        memory_mb, memory_limit_mb: resident memory of the worker, and what there is for all.
        on_cpu: the models run on the CPU.
    """

    streams: int
    wanted_fps: float
    fps: float
    p50_ms: float
    p95_ms: float
    worst_p95_ms: float
    cores: float
    used: float
    machine_cores: int
    others: float
    inference_busy: float
    waiting: int
    memory_mb: float
    memory_limit_mb: float
    on_cpu: bool = True
    stages: Mapping[str, float] = field(default_factory=dict)

    def holds(self, target_ms: float) -> bool:
        """Whether every stream gets its frames in time."""
        return self.worst_p95_ms <= target_ms and self.fps >= _ENOUGH * self.wanted_fps

    @property
    def crowded(self) -> bool:
        """Whether other programs have a good part of a machine, of which nothing is left."""
        full = self.used + self.others > _BUSY * self.machine_cores
        return full and self.others > _CROWDED * self.machine_cores


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """What binds, how that is seen, and what to do about it."""

    what: str
    seen: str
    advice: str


def search(measure: Callable[[int], Step], target_ms: float, most: int) -> tuple[int, list[Step]]:
    """Double the streams until they do not hold, then halve the interval; the most that hold, and every step."""
    steps: list[Step] = []
    good, bad, count = 0, most + 1, 1
    while bad - good > 1:
        steps.append(measure(count))
        if steps[-1].holds(target_ms):
            good = count
        else:
            bad = count
        count = min(2 * good, most) if bad > most else (good + bad) // 2
    return good, steps


def what_binds(step: Step) -> Bottleneck:
    """What stopped `step` from holding, the most certain first."""
    if step.memory_mb > _FULL * step.memory_limit_mb:
        seen = f"the worker holds {step.memory_mb:.0f} of {step.memory_limit_mb:.0f} MB"
        return Bottleneck("memory", seen, "fewer streams, smaller pictures (the cameras' sub-streams), or more memory")
    if step.crowded or (step.on_cpu and step.used < _STARVED * step.inference_busy):
        seen = f"they use {step.others:.1f} of {step.machine_cores} cores, and the whole worker got {step.used:.2f}"
        return Bottleneck("other programs", seen, "measure again while the machine is quiet")
    full = step.used > _FULL * step.cores
    if full or step.inference_busy > _BUSY:
        return _busiest(step, full)
    if step.waiting > step.streams * step.wanted_fps:
        seen = f"{step.waiting} records wait to be published"
        return Bottleneck("publishing", seen, "look at Redis: its CPU, its disk (AOF), and the way to it")
    seen = (
        f"the worker uses {step.used:.1f} of {step.cores:g} cores, inference is busy {step.inference_busy:.0%}: "
        "frames of many streams come together and wait for one another"
    )
    return Bottleneck("no single part", seen, "allow a longer --target, or ask for fewer frames a second")


def _busiest(step: Step, full: bool) -> Bottleneck:
    """The part that has most of the time. `full`: no core is left, and decoding may be what took them."""
    decode = step.stages.get("decode", 0.0) + step.stages.get("convert", 0.0)
    detect, classify = step.stages.get("detect", 0.0), step.stages.get("classify", 0.0)
    if full and decode > step.used / 2:
        seen = f"the worker uses {step.used:.1f} of {step.cores:g} cores, decoding alone {decode:.1f}"
        advice = "take the cameras' sub-streams, or decode: keyframes where one frame a second will do"
        return Bottleneck("decoding", seen, advice)
    seen = f"inference is busy {step.inference_busy:.0%} of the time"
    if classify > detect:
        seen += f", classifying takes {classify:.0%}"
        return Bottleneck("the classifier", seen, "there are many faces: set min_face_px, or use a GPU")
    seen += f", detecting takes {detect:.0%}"
    return Bottleneck("the detector", seen, "lower max_fps, use a GPU, or share the cameras among machines (shard)")

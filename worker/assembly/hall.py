"""Fits the hall to the workshop: the one inference thread of the worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from worker.assembly.study import Author
from worker.assembly.workshop import Workshop
from worker.clock import Clock
from worker.pipeline.batcher import Batcher
from worker.pipeline.inference import Inference, InferenceThread
from worker.pipeline.mailbox import Bell
from worker.pipeline.ports import Report
from worker.settings import PipelineSettings

_CUDA_MAX_WAIT_S = 0.005


@dataclass(frozen=True, slots=True)
class HallKeys:
    """Who speaks and who listens: the records' author, what the hall reports to, and whom it tells of its end."""

    author: Author
    report: Report
    failed: Callable[[BaseException], None]


def open_hall(
    workshop: Workshop, pipeline: PipelineSettings, bell: Bell, clock: Clock, keys: HallKeys
) -> InferenceThread:
    """Make the inference thread; it is not started."""
    inference = Inference(workshop.for_hall(), keys.author.notice, keys.report, clock)
    wait = pipeline.max_wait
    if wait is None:
        wait = _CUDA_MAX_WAIT_S if workshop.choice.device == "cuda" else 0.0
    return InferenceThread(inference, Batcher(pipeline.max_batch), bell, clock, keys.failed, wait)

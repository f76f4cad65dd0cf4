"""What a source tells its owner beside frames and notices: plain callbacks, wired to metrics by the owner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from worker.errors import SourceDenied, SourceTimeout, SourceUnreachable, SourceUnreadable, WorkerError
from worker.frame import GapCause, State


def _ignore(*_: object) -> None:
    """The default of every callback."""


@dataclass(frozen=True, slots=True)
class SourceReport:
    """Callbacks, called from source threads; each must be quick and must not raise.

    Attributes:
        decoded: (stream) one frame was decoded.
        skipped: (stream, reason, count) decoded frames that are not handed over.
        decode_error: (stream) something could not be decoded or arrived damaged.
        state: (stream, state, previous, reason) the stream's state changed.
        still: (stream, reason) another try failed: the state stays, and this is why now.
        gap: (stream, cause) a gap was told.
        restarted: (stream, cause) the source is opened again after the first time; cause is one of RESTART_CAUSES.
        frame_seen: (stream, wall seconds, monotonic seconds) time of the newest decoded frame.
        behind: (stream, seconds) packets are read that much later than they could be: until the reader has caught up,
            only key frames are decoded.
        stuck: (stream) a thread did not return from the video library and was abandoned.
        stage: (name, seconds) time spent on a frame; name is `decode` or `convert`.
        camera_clock_offset: (stream, seconds) the camera's clock minus ours.
        fault: (stream, error) a run ended by an error that is a fault of the worker, to be logged with its traceback;
            a live stream is opened again, a file has failed.
    """

    decoded: Callable[[str], None] = _ignore
    skipped: Callable[[str, str, int], None] = _ignore
    decode_error: Callable[[str], None] = _ignore
    state: Callable[[str, State, State | None, str], None] = _ignore
    still: Callable[[str, str], None] = _ignore
    gap: Callable[[str, GapCause], None] = _ignore
    restarted: Callable[[str, str], None] = _ignore
    frame_seen: Callable[[str, float, float], None] = _ignore
    behind: Callable[[str, float], None] = _ignore
    stuck: Callable[[str], None] = _ignore
    stage: Callable[[str, float], None] = _ignore
    camera_clock_offset: Callable[[str, float], None] = _ignore
    fault: Callable[[str, Exception], None] = _ignore


RESTART_CAUSES = ("unreachable", "timeout", "denied", "unreadable", "source_down", "stall", "stuck", "fault")
"""Why a source is opened again (closed set, for metrics)."""

_CAUSES: tuple[tuple[type[WorkerError], str], ...] = (
    (SourceDenied, "denied"),
    (SourceTimeout, "timeout"),
    (SourceUnreadable, "unreadable"),
    (SourceUnreachable, "unreachable"),
)


def restart_cause(error: Exception) -> str:
    """The restart's cause, one of RESTART_CAUSES."""
    return next((cause for kind, cause in _CAUSES if isinstance(error, kind)), "fault")

"""Records without their number: what happened to a stream as JSON, for the post to number and send."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from worker.draft import Draft
from worker.events import schema
from worker.events.stream_events import Seen
from worker.frame import Frame, Gap, StateChange

_IDENTITY = {"type", "id", "stream", "epoch", "seq"}
_UNNUMBERED = {"id": "", "epoch": 0, "seq": 1}  # the post fills these in (`Draft.encode`)


def latency(decode_s: float, wait_s: float, detect_s: float, classify_s: float, total_s: float) -> schema.Latency:
    """Seconds of each stage as the record's milliseconds, to a tenth."""
    return schema.Latency(
        decode=round(decode_s * 1000, 1),
        wait=round(wait_s * 1000, 1),
        detect=round(detect_s * 1000, 1),
        classify=round(classify_s * 1000, 1),
        total=round(total_s * 1000, 1),
    )


def frame_draft(
    frame: Frame, seen: Seen, latency_ms: schema.Latency | None, models: schema.Models, worker: str
) -> Draft:
    """The event of an analysed frame; `latency_ms` None in offline analysis."""
    skipped = {reason: count for reason, count in seen.skipped.items() if count}
    event = schema.FrameEvent(
        **_UNNUMBERED,
        type=schema.FRAME_TYPE,
        stream=frame.stream,
        run=frame.run,
        frame=schema.FrameInfo(
            index=frame.index,
            pts_s=None if frame.pts_s is None else round(frame.pts_s, 6),
            captured_at=None if frame.captured_at is None else _moment(frame.captured_at),
            clock=frame.clock,
            width=frame.width,
            height=frame.height,
        ),
        skipped=cast(schema.Skipped, skipped),
        faces=seen.faces,
        latency_ms=latency_ms,
        models=models,
        worker=worker,
    )
    return Draft(
        stream=frame.stream,
        type=schema.FRAME_TYPE,
        body=_body(event),
        frames=1 + sum(skipped.values()),
        run=frame.run,
        wall_s=frame.captured_at or 0.0,  # none only offline, where nothing is ever dropped
        arrived=frame.arrived,
    )


def gap_draft(gap: Gap, worker: str, missing_seq: tuple[int, int] | None = None, timed: bool = True) -> Draft:
    """The record of a stretch without events; `timed` False in offline analysis, whose records hold no wall time."""
    record = schema.GapRecord(
        **_UNNUMBERED,
        type=schema.GAP_TYPE,
        stream=gap.stream,
        run=gap.run,
        cause=gap.cause.value,
        start=_moment(gap.start) if timed else None,
        end=_moment(gap.end) if timed else None,
        frames=gap.frames,
        missing_seq=missing_seq,
        worker=worker,
    )
    return Draft(gap.stream, schema.GAP_TYPE, _body(record), 0, gap.run, gap.end)


def status_draft(change: StateChange, worker: str, timed: bool = True) -> Draft:
    """The record of a change of state; `timed` as for a gap."""
    skipped = {reason: count for reason, count in change.skipped.items() if count}
    record = schema.StatusRecord(
        **_UNNUMBERED,
        type=schema.STATUS_TYPE,
        stream=change.stream,
        run=change.run,
        state=change.state.value,
        previous=None if change.previous is None else change.previous.value,
        reason=change.reason,
        at=_moment(change.at) if timed else None,
        skipped=cast(schema.Skipped, skipped),
        worker=worker,
    )
    return Draft(change.stream, schema.STATUS_TYPE, _body(record), sum(skipped.values()), change.run, change.at)


def _moment(wall_s: float) -> datetime:
    return datetime.fromtimestamp(wall_s, UTC)


def _body(record: schema.Record) -> bytes:
    return record.__pydantic_serializer__.to_json(record, exclude=_IDENTITY, by_alias=True)

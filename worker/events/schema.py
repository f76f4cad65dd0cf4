"""Schema v1: the three kinds of record, as they are stored and read. The source of docs/schema and docs/events.md.

Needs pydantic alone, so that other programs can import it. Additions keep v1 (readers ignore fields that they do not
know); a change of meaning is v2.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError

FRAME_TYPE = "emotion.frame.v1"
GAP_TYPE = "emotion.gap.v1"
STATUS_TYPE = "emotion.status.v1"

STREAMS_KEY = "emotion:streams"
"""A Redis set: the ids of all streams that ever had a record."""
STATUS_KEY = "emotion:status"
"""A Redis stream: state changes of all streams, at least once, the newest thousand or so."""

STREAM_ID = r"^[A-Za-z0-9_.-]{1,64}$"

EmotionName = Literal["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
AbstentionName = Literal["too_small", "blurred", "dark", "partial", "low_confidence"]
SkipName = Literal["max_fps", "superseded", "inference_error", "stopping"]
StateName = Literal["connecting", "live", "stalled", "backoff", "auth_failed", "ended", "stopped", "failed"]
GapCauseName = Literal["source_down", "stall", "corrupt", "spool_full", "redis_lost", "worker_restart", "taken_over"]
ClockName = Literal["arrival", "rtcp", "file"]


def events_key(stream: str) -> str:
    """The Redis stream that holds the records of `stream`; the braces keep a camera on one Cluster slot."""
    return f"emotion:{{{stream}}}:events"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Timestamp = Annotated[AwareDatetime, PlainSerializer(_iso, return_type=str, when_used="json")]
Probability = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0)]
Skipped = dict[SkipName, Annotated[int, Field(ge=1)]]


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )


class Probabilities(_Model):
    """Calibrated probability of each emotion's *appearance*; they add up to 1 within 0.001 (rounded to 4 digits)."""

    anger: Probability
    disgust: Probability
    fear: Probability
    happiness: Probability
    sadness: Probability
    surprise: Probability
    neutral: Probability


class Emotion(_Model):
    """What the classifier reads from this frame's crop alone."""

    label: EmotionName
    """The most probable emotion."""
    confidence: Probability
    """Its calibrated probability (temperature scaling; the bundle's manifest holds the temperature)."""
    probabilities: Probabilities


class Stable(_Model):
    """The track's emotion over time: smoothed (half-life 0.4 s by default), with hysteresis; in seconds, not frames."""

    label: EmotionName
    """The emotion that the track shows; changes only when another leads by 0.15 for 250 ms."""
    confidence: Probability
    """Smoothed score of `label`. Uncalibrated: do not read it as a probability of being right."""
    since_s: Seconds
    """How long `label` has stood."""


class Quality(_Model):
    """How well the face could be seen. Low values foretell wrong emotions; among published ones they tell little."""

    size_px: Annotated[float, Field(ge=0)]
    """Geometric mean of the box's sides, pixels of the full picture."""
    sharpness: Probability
    """0 (blurred) to 1 (sharp), measured on the crop that the classifier sees."""
    brightness: Probability
    """Mean luma of that crop, 0 (black) to 1 (white)."""


class Face(_Model):
    """One face of one frame. What can be null, and when, is in the table of docs/events.md."""

    track: Annotated[int, Field(ge=1)]
    """The same face on other frames of the run has the same number; never used again within a run."""
    box: tuple[float, float, Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]]
    """`[x, y, width, height]` in pixels of the upright picture; may reach outside it."""
    score: Probability
    """How sure the detector is that this is a face."""
    emotion: Emotion | None
    """The fresh result; null where this frame's crop was not classified, or was refused, or is too unsure."""
    stable: Stable | None
    """The track's emotion over time; null before the first result, and when refused for 2 s."""
    emotion_age_s: Seconds | None
    """Age of the last result of this track: 0 on a frame that was classified, null before the first."""
    abstained: AbstentionName | None
    """Why the worker says no emotion of a face that it looked at; null where it did, or did not look."""
    quality: Quality | None
    """Of the crop looked at on this frame; null where the face was not chosen for classification."""


class FrameInfo(_Model):
    """Which frame, and when."""

    index: Annotated[int, Field(ge=0)]
    """Number among all decoded frames of the run, from 0."""
    pts_s: float | None
    """Media time in seconds; null where the container tells none."""
    captured_at: Timestamp | None
    """Wall time by `clock`; null in offline analysis without a start time."""
    clock: ClockName | None
    """Whose clock `captured_at` is: the worker's on arrival, the camera's (RTCP), or the file's start time plus pts."""
    width: Annotated[int, Field(ge=1)]
    """Of the upright picture, in pixels."""
    height: Annotated[int, Field(ge=1)]
    """Of the upright picture, in pixels."""


class Latency(_Model):
    """Milliseconds that this frame spent in each stage."""

    decode: Milliseconds
    """Decoding and conversion of this frame."""
    wait: Milliseconds
    """From arrival to the start of its batch."""
    detect: Milliseconds
    """Detection of its batch."""
    classify: Milliseconds
    """Classification of all crops of its batch."""
    total: Milliseconds
    """From arrival (the frame is decoded) to the finished record; decoding is not part of it."""


class Models(_Model):
    """Which models spoke: `name@` and the first eight hex digits of the weights' SHA-256."""

    detector: str
    """Found the faces."""
    classifier: str
    """Read the emotions."""


class _Record(_Model):
    id: str
    """`stream/epoch/seq`: the record's identity; whoever keeps records drops one whose id is there already."""
    stream: Annotated[str, Field(pattern=STREAM_ID)]
    """The camera or file."""
    epoch: Annotated[int, Field(ge=0)]
    """The claim of the stream by a worker; only grows."""
    seq: Annotated[int, Field(ge=1)]
    """Counts the stream's records from 1, through restarts; in a file or on standard output, those of its epoch."""
    run: str
    """The opening of the stream that this belongs to: a ULID."""


class FrameEvent(_Record):
    """One analysed frame. Empty `faces` means that it was looked at and no face was seen.

    The emotions say how faces *appear* to people who label pictures, not what anybody feels or thinks.
    """

    type: Literal["emotion.frame.v1"]
    """Says which schema the record follows."""
    frame: FrameInfo
    skipped: Skipped
    """Decoded frames without an event between the run's record before and this one, by reason."""
    faces: list[Face]
    """All faces that were seen on this frame, in no promised order."""
    latency_ms: Latency | None
    """Milliseconds from arrival to record; null in offline analysis."""
    models: Models
    worker: str
    """Name of the worker that wrote this."""


class GapRecord(_Record):
    """A stretch of the stream without events: no data, which never means no people."""

    type: Literal["emotion.gap.v1"]
    """Says which schema the record follows."""
    cause: GapCauseName
    """Why nothing is known of this stretch."""
    start: Timestamp | None = Field(alias="from")
    """Arrival time; null in offline analysis."""
    end: Timestamp | None = Field(alias="to")
    """Arrival time; null in offline analysis."""
    frames: Annotated[int, Field(ge=0)] | None
    """Decoded frames of the run without an event in this stretch; null where nobody can say."""
    missing_seq: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None
    """`[first, last]` of the records that are gone; this record's `seq` is then `last`."""
    worker: str
    """Name of the worker that wrote this."""


class StatusRecord(_Record):
    """The stream changed its state. A run ends with one of these, which holds what was skipped after the last event."""

    type: Literal["emotion.status.v1"]
    """Says which schema the record follows."""
    state: StateName
    """Where the stream stands now."""
    previous: StateName | None
    """Where it stood before; null at the beginning."""
    reason: str
    """For people: what happened, without secrets."""
    at: Timestamp | None
    """Arrival time; null in offline analysis."""
    skipped: Skipped
    """Decoded frames of the run without an event since its record before, by reason."""
    worker: str
    """Name of the worker that wrote this."""


Record = FrameEvent | GapRecord | StatusRecord
RECORDS: dict[str, type[FrameEvent] | type[GapRecord] | type[StatusRecord]] = {
    FRAME_TYPE: FrameEvent,
    GAP_TYPE: GapRecord,
    STATUS_TYPE: StatusRecord,
}


def parse(data: str | bytes, kind: str) -> Record:
    """The record in `data` (JSON), whose type is `kind`.

    Raises:
        ValueError: `kind` is not one of schema v1, `data` does not fit it, or the id contradicts its parts.
    """
    return _consistent(_model(kind).model_validate_json(data))


def check(data: Mapping[str, Any]) -> Record:
    """The record in `data` (parsed JSON); raises as `parse`."""
    return _consistent(_model(str(data.get("type"))).model_validate(data))


def why(error: ValueError) -> str:
    """What `parse` or `check` found wrong, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"does not fit schema v1: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)


def _model(kind: str) -> type[FrameEvent] | type[GapRecord] | type[StatusRecord]:
    if kind not in RECORDS:
        raise ValueError(f"type {kind!r} is not one of schema v1: a newer worker wrote it, or it is foreign")
    return RECORDS[kind]


def _consistent(record: Record) -> Record:
    if record.id != f"{record.stream}/{record.epoch}/{record.seq}":
        raise ValueError(f"id {record.id!r} contradicts stream, epoch and seq")
    return record

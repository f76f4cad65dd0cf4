"""Records like a worker's, without a worker: for the tests of programs that read them. Needs redis and pydantic alone.

    camera = FakeCamera(redis.Redis(), "lobby")
    camera.status("live")
    camera.frame(face("happiness"), face("neutral", track=2, confidence=0.6))
    camera.gap("source_down", seconds=9.7)

Every record is valid, numbered and adds up (`emotion-worker verify` finds nothing); what goes wrong in real life is
there on request: `trim`, `repeat`, `restart`, `foreign`. `python -m worker.events.fake redis://localhost` plays three
cameras in real time.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from redis import Redis, RedisError

from worker.events.consumer import Client, Fields
from worker.events.schema import (
    FRAME_TYPE,
    GAP_TYPE,
    STATUS_KEY,
    STATUS_TYPE,
    STREAMS_KEY,
    AbstentionName,
    Emotion,
    EmotionName,
    Face,
    FrameEvent,
    FrameInfo,
    GapCauseName,
    GapRecord,
    Latency,
    Models,
    Probabilities,
    Quality,
    Record,
    SkipName,
    Stable,
    StateName,
    StatusRecord,
    events_key,
)

EMOTIONS: tuple[EmotionName, ...] = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_MODELS = Models(detector="face-fake@00000000", classifier="fer-fake@00000000")
_LATENCY = Latency(decode=6.1, wait=3.0, detect=21.4, classify=4.2, total=36.0)
_WORKER = "fake"
_SIDE_PX = 120.0


def face(
    label: EmotionName = "neutral",
    track: int = 1,
    confidence: float = 0.8,
    since_s: float = 1.0,
    abstained: AbstentionName | None = None,
) -> Face:
    """A face that was classified on its frame, or, with `abstained`, was looked at and not told."""
    rest = round((1 - confidence) / 6, 4)
    probabilities = Probabilities(**{name: confidence if name == label else rest for name in EMOTIONS})
    told = abstained is None
    return Face(
        track=track,
        box=(100.0 + 200.0 * (track % 8), 300.0, _SIDE_PX, _SIDE_PX),
        score=0.94,
        emotion=Emotion(label=label, confidence=confidence, probabilities=probabilities) if told else None,
        stable=Stable(label=label, confidence=confidence, since_s=since_s) if told else None,
        emotion_age_s=0.0 if told else None,
        abstained=abstained,
        quality=Quality(size_px=_SIDE_PX, sharpness=0.7, brightness=0.5),
    )


class FakeCamera:
    """One stream. Its clock begins at `began` and moves on by a frame's time with each frame: nothing here waits.

    Attributes:
        records: all records so far, also those that Redis does not have any more.
        now: the time of the next record.
    """

    def __init__(
        self, client: Client | None, stream: str = "lobby", fps: float = 10.0, began: datetime | None = None
    ) -> None:
        """`client` None: the records are only kept in `records`."""
        self.records: list[Record] = []
        self.now = began or datetime.now(UTC)
        self._client = client
        self._stream = stream
        self._step = timedelta(seconds=1 / fps)
        self._epoch = int(self.now.timestamp() * 1000)
        self._seq = 0
        self._index = 0
        self._runs = 0
        self._state: StateName | None = None
        self._begin_run()

    def frame(self, *faces: Face, skipped: Mapping[SkipName, int] | None = None) -> FrameEvent:
        """A frame with `faces`; `skipped` decoded frames before it got none."""
        counts = dict(skipped or {})
        self._index += sum(counts.values())
        media_s = round((self.now - self._run_began).total_seconds(), 3)
        record = FrameEvent(
            **self._head(),
            type=FRAME_TYPE,
            frame=FrameInfo(
                index=self._index, pts_s=media_s, captured_at=self.now, clock="arrival", width=1920, height=1080
            ),
            skipped=counts,
            faces=list(faces),
            latency_ms=_LATENCY,
            models=_MODELS,
            worker=_WORKER,
        )
        self._index += 1
        self.now += self._step
        self._put(record)
        return record

    def gap(self, cause: GapCauseName = "source_down", seconds: float = 5.0, frames: int | None = None) -> GapRecord:
        """A stretch of `seconds` without records that hides `frames` decoded frames (None: nobody can say)."""
        start, self.now = self.now, self.now + timedelta(seconds=seconds)
        self._index += frames or 0
        record = GapRecord(
            **self._head(), type=GAP_TYPE, cause=cause, start=start, end=self.now, frames=frames,
            missing_seq=None, worker=_WORKER,
        )  # fmt: skip
        self._put(record)
        return record

    def status(self, state: StateName, reason: str = "because the test says so") -> StatusRecord:
        """A change of state. After `ended`, `stopped`, `failed` and `backoff` a new run begins."""
        record = StatusRecord(
            **self._head(), type=STATUS_TYPE, state=state, previous=self._state, reason=reason, at=self.now,
            skipped={}, worker=_WORKER,
        )  # fmt: skip
        self._state = state
        self._put(record)
        if self._client is not None:
            self._client.xadd(STATUS_KEY, _fields(record))
        if state in ("ended", "stopped", "failed", "backoff"):
            self._begin_run()
        return record

    def restart(self) -> GapRecord:
        """The worker dies without a word and another goes on: a new epoch, a gap `worker_restart`, a new run."""
        self._epoch += 1
        record = self.gap("worker_restart", seconds=3.0)
        self._begin_run()
        return record

    def repeat(self) -> None:
        """Redis holds the newest record twice."""
        self._store(self.records[-1])

    def trim(self, keep: int) -> None:
        """Redis forgets all but the newest `keep` entries of the stream."""
        if self._client is not None:
            self._client.xtrim(events_key(self._stream), maxlen=keep, approximate=False)

    def foreign(self, type: str = "emotion.frame.v2", data: str = '{"type": "emotion.frame.v2"}') -> None:
        """An entry that is no record of schema v1: from a newer worker, or from somebody else."""
        if self._client is not None:
            self._client.xadd(events_key(self._stream), {"type": type, "seq": self._seq, "data": data})

    def _begin_run(self) -> None:
        self._runs += 1
        self._run = f"01FAKE{self._runs:020d}"
        self._run_began = self.now
        self._index = 0

    def _head(self) -> dict[str, str | int]:
        self._seq += 1
        return {
            "id": f"{self._stream}/{self._epoch}/{self._seq}",
            "stream": self._stream,
            "epoch": self._epoch,
            "seq": self._seq,
            "run": self._run,
        }

    def _put(self, record: Record) -> None:
        self.records.append(record)
        self._store(record)

    def _store(self, record: Record) -> None:
        if self._client is not None:
            self._client.sadd(STREAMS_KEY, self._stream)
            self._client.xadd(events_key(self._stream), _fields(record))


def _fields(record: Record) -> Fields:
    return {"type": record.type, "seq": record.seq, "data": record.model_dump_json()}


def play(client: Client, streams: int, seconds: float, seed: int = 0) -> None:
    """Cameras `fake-1` ... in real time, ten frames a second: people come, change their faces and go; links break."""
    chance = random.Random(seed)
    cameras = [FakeCamera(client, f"fake-{number + 1}") for number in range(streams)]
    moods: list[dict[int, tuple[EmotionName, datetime]]] = [{1: ("neutral", camera.now)} for camera in cameras]
    for camera in cameras:
        camera.status("connecting", "opening")
        camera.status("live", "first frame after 0.3 s")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for camera, mood in zip(cameras, moods, strict=True):
            camera.now = datetime.now(UTC)
            _change(mood, camera.now, chance)
            if chance.random() < 0.003:
                camera.status("backoff", "connection lost")
                camera.gap("source_down", seconds=0.5)
                camera.status("live", "reconnected after 0.5 s")
            faces = [
                face(label, track, round(chance.uniform(0.6, 0.9), 4), (camera.now - since).total_seconds())
                for track, (label, since) in mood.items()
            ]
            camera.frame(*faces, skipped={"max_fps": chance.choice((1, 2))})
        time.sleep(0.1)


def _change(mood: dict[int, tuple[EmotionName, datetime]], now: datetime, chance: random.Random) -> None:
    """Somebody comes, goes, or looks different."""
    dice = chance.random()
    if dice < 0.01 and len(mood) < 4:
        mood[max(mood, default=0) + 1] = ("neutral", now)
    elif dice < 0.02 and len(mood) > 1:
        del mood[chance.choice(list(mood))]
    elif dice < 0.06 and mood:
        mood[chance.choice(list(mood))] = (chance.choice(EMOTIONS), now)


def main() -> None:
    """Play fake cameras into a Redis."""
    parser = argparse.ArgumentParser(prog="python -m worker.events.fake", description=main.__doc__)
    parser.add_argument("url", help="redis://host:port/db")
    parser.add_argument("--streams", type=int, default=3, help="how many cameras (3)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long they go on (60)")
    options = parser.parse_args()
    with Redis.from_url(options.url) as client:
        print(f"{options.streams} fake cameras write for {options.seconds:g} s: watch emotion-worker tail", flush=True)
        play(client, options.streams, options.seconds)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # Ctrl-C is how one ends it
        sys.exit(130)
    except (RedisError, ValueError) as error:
        sys.exit(f"error: {error}")

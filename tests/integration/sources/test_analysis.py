"""Clips through the shipped models to records, without threads: regions, gaps, batches."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import pytest

from tests.shared_data import shared
from tests.unit.sources.counter import write_video
from worker.assembly.door import source_options
from worker.assembly.offline import Analysis
from worker.assembly.study import Author
from worker.assembly.workshop import Workshop, open_workshop
from worker.commands.verify import verify
from worker.errors import SourceError
from worker.frame import Region
from worker.models.backends import BackendChoice
from worker.settings import ModelsSettings, StreamSettings
from worker.sources.options import SourceOptions

Box = tuple[float, float, float, float]


@pytest.fixture(scope="module")
def workshop() -> Workshop:
    return open_workshop(ModelsSettings())


def two_faces(workshop: Workshop, region: Region | None) -> list[list[Box]]:
    """The boxes of each half second between 4 s and 6 s of a clip, where it shows two faces."""
    clip = str(shared("clips/timeline_0123_faces_720p.mp4"))
    stream = StreamSettings.model_validate({"id": "clip", "url": clip, "max_fps": 2, "region": region})
    analysis = Analysis(workshop, Author("test", workshop.names(), timed=False))
    found = []
    for frame, record in analysis.records(source_options(stream, workshop.detector.shapes), lambda error: None):
        if frame is None or frame.pts_s is None or not 4.2 < frame.pts_s < 5.8:
            continue
        told = json.loads(record)
        assert (told["frame"]["width"], told["frame"]["height"]) == (1280, 720)
        found.append(sorted(tuple(face["box"]) for face in told["faces"]))
    return found


def records_of(workshop: Workshop, clip: Path, max_fps: float | None = None) -> list[bytes]:
    options = SourceOptions(
        "clip", str(clip), False, max_fps=max_fps, shapes=workshop.detector.shapes, deterministic_run=True
    )
    analysis = Analysis(workshop, Author("test", workshop.names(), timed=False))
    failures: list[SourceError] = []
    records = [record for _, record in analysis.records(options, failures.append)]
    assert failures == []
    return records


def test_frames_that_were_lost_are_a_gap_in_their_place_and_verify_tells_it(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = shared("variants/corrupt_middle.ts")
    records = records_of(workshop, clip, max_fps=4.0)
    told = [json.loads(record) for record in records]
    (place,) = [i for i, record in enumerate(told) if record["type"] == "emotion.gap.v1"]
    gap, before, after = told[place], told[place - 1]["frame"], told[place + 1]["frame"]
    assert (gap["cause"], gap["frames"], gap["from"], gap["to"]) == ("corrupt", None, None, None)
    with av.open(str(clip)) as container:
        times = [frame.time for frame in container.decode(video=0) if frame.time is not None]
    last, first = next(pair for pair in pairwise(times) if pair[1] - pair[0] > 3 * 1001 / 24000)
    assert before["pts_s"] <= last + 1e-6 < first <= after["pts_s"] + 1e-6
    assert [record["seq"] for record in told] == list(range(1, len(told) + 1))

    out = tmp_path / "events.jsonl"
    out.write_bytes(b"".join(record + b"\n" for record in records))
    verify(str(out))
    assert "corrupt 1" in capsys.readouterr().out


def test_batches_as_on_a_gpu_also_where_the_input_shape_changes(workshop: Workshop, tmp_path: Path) -> None:
    wide = write_video(tmp_path / "wide.ts", 11, size=(640, 360))
    tall = write_video(tmp_path / "tall.ts", 22, size=(360, 640), first=11)
    both = tmp_path / "both.ts"
    both.write_bytes(wide.read_bytes() + tall.read_bytes())
    gpu = replace(workshop, choice=BackendChoice("openvino", "cuda", "for the test"))
    alone, together = records_of(workshop, both), records_of(gpu, both)
    frames = [json.loads(record)["frame"] for record in alone[:-1]]
    assert [frame["index"] for frame in frames] == list(range(33))
    assert {(frame["width"], frame["height"]) for frame in frames} == {(640, 360), (360, 640)}
    assert together == alone


def test_only_the_face_inside_is_told_and_at_the_same_place(workshop: Workshop) -> None:
    whole = two_faces(workshop, None)
    assert whole
    assert all(len(boxes) == 2 for boxes in whole)
    left, right = whole[0]
    between = (left[0] + left[2] + right[0]) / 2 / 1280

    half = two_faces(workshop, (between, 0.0, 1.0 - between, 1.0))

    assert len(half) == len(whole)
    for boxes, (_, expected) in zip(half, whole, strict=True):
        assert len(boxes) == 1
        assert boxes[0] == pytest.approx(expected, abs=0.12 * expected[3])

"""Which faces the worker tells on the shared clips, against boxes that were checked by eye.

`tests/data/clip_boxes.json` has the boxes of every 5th frame. A false face is a confirmed track that lasts 0.3 s or
longer and whose median IoU with any box is under 0.1; heads under 16 px are ignored. The worker's own decoding,
detector and tracker run as `analyze` wires them, on two threads and without classifying: on every frame where false
faces are counted, elsewhere on the checked frames alone, five or six a second, which is harder for the tracker.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.shared_data import shared
from worker.assembly.workshop import Workshop, open_workshop
from worker.events.tracker import Tracker, TrackerRule
from worker.face import Box
from worker.settings import ModelsSettings
from worker.sources.file_frames import frames_of
from worker.sources.options import SourceOptions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TRUTH: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "clip_boxes.json").read_text())
CLIPS: dict[str, Any] = TRUTH["clips"]
EVERY: int = TRUTH["every"]
FACELESS = [name for name, clip in CLIPS.items() if not clip["faces"]]
MISPRINTED = ["asl_brother.mkv", "wall_9faces_1080p.mp4"]
"""Clips with large skulls printed on hoodies."""

WHOLE = {*FACELESS, *MISPRINTED}
"""Clips of which every frame is looked at."""


class Sighting(NamedTuple):
    """One box of a track at one frame."""

    frame: int
    at_s: float
    box: Box
    confirmed: bool


class Told(NamedTuple):
    """What the worker told of one clip: boxes by frame, sightings by track, and media time by frame."""

    frames: dict[int, list[Box]]
    tracks: dict[int, list[Sighting]]
    times: dict[int, float]


def told(clip: str, workshop: Workshop) -> Told:
    detector = workshop.detector
    tracker = Tracker(TrackerRule(sure=detector.bundle.manifest.thresholds.score, faint=detector.score))
    options = SourceOptions(stream="clip", url=str(shared(f"clips/{clip}")), live=False, shapes=detector.shapes)
    heard = Told({}, defaultdict(list), {})
    for frame in frames_of(options):
        if clip not in WHOLE and frame.index % EVERY:
            continue
        assert frame.pts_s is not None
        detections = detector.detect(frame.detector_input[None], [frame.letterbox])[0]
        faces = tracker.update(detections, frame.pts_s)
        heard.frames[frame.index], heard.times[frame.index] = [face.box for face in faces], frame.pts_s
        for face in faces:
            heard.tracks[face.track].append(Sighting(frame.index, frame.pts_s, face.box, face.confirmed))
    return heard


@pytest.fixture(scope="module")
def everything() -> dict[str, Told]:
    """Every clip through the shipped detector."""
    workshop = open_workshop(ModelsSettings(threads=2))
    return {clip: told(clip, workshop) for clip in CLIPS}


def truth_at(clip: dict[str, Any], frame: int) -> list[Box]:
    """Boxes of the nearest checked frame, ignored places among them."""
    nearest = min(round(frame / EVERY) * EVERY, (clip["frames"] - 1) // EVERY * EVERY)
    return [Box(*box) for box in clip["faces"].get(str(nearest), []) + clip.get("ignore", [])]


def false_tracks(clip: dict[str, Any], heard: Told) -> list[tuple[int, float]]:
    """Track and length in s of each false face."""
    found = []
    for track, sightings in heard.tracks.items():
        length = sightings[-1].at_s - sightings[0].at_s
        size = np.median([np.sqrt(seen.box.width * seen.box.height) for seen in sightings])
        overlap = np.median(
            [max((seen.box.iou(box) for box in truth_at(clip, seen.frame)), default=0.0) for seen in sightings]
        )
        if sightings[-1].confirmed and length >= 0.3 and size >= 16 and overlap < 0.1:
            found.append((track, round(length, 2)))
    return found


def recall(clip: dict[str, Any], heard: Told) -> tuple[int, int]:
    """Checked faces that the worker tells at IoU 0.4, and all that count."""
    found = total = 0
    low, high = clip.get("not_counted_s", (np.inf, -np.inf))
    for frame, boxes in clip["faces"].items():
        if low <= heard.times[int(frame)] <= high:
            continue
        seen = heard.frames[int(frame)]
        found += sum(any(Box(*box).iou(other) >= 0.4 for other in seen) for box in boxes)
        total += len(boxes)
    return found, total


def test_the_boxes_are_whole() -> None:
    """The file itself: it must not excuse the worker by saying nothing."""
    assert sum(len(boxes) for clip in CLIPS.values() for boxes in clip["faces"].values()) == 738
    assert len(FACELESS) == 7
    for name, clip in CLIPS.items():
        width, height = clip["size"]
        for frame, boxes in clip["faces"].items():
            assert int(frame) % EVERY == 0
            assert int(frame) < clip["frames"]
            for x_min, y_min, x_max, y_max in boxes:
                assert 0 <= x_min < x_max <= width, (name, frame)
                assert 0 <= y_min < y_max <= height, (name, frame)
    steady = {"asl_book.mkv": 1, "wall_9faces_1080p.mp4": 9, "woman_sad_then_happy_360p.mp4": 1}
    for name, count in steady.items():
        assert len(CLIPS[name]["faces"]) == -(-CLIPS[name]["frames"] // EVERY)
        assert {len(boxes) for boxes in CLIPS[name]["faces"].values()} == {count}
    timeline = CLIPS["timeline_0123_faces_720p.mp4"]["faces"]
    assert {int(frame): len(boxes) for frame, boxes in timeline.items()} == {
        frame: frame // 60 for frame in range(60, 240, EVERY)
    }


def test_every_frame_that_counts_is_told(everything: dict[str, Told]) -> None:
    for name, heard in everything.items():
        assert sorted(heard.frames) == list(range(0, CLIPS[name]["frames"], 1 if name in WHOLE else EVERY)), name


def test_faces_are_found(everything: dict[str, Told]) -> None:
    counts = {name: recall(CLIPS[name], heard) for name, heard in everything.items() if CLIPS[name]["faces"]}
    found, total = (sum(part) for part in zip(*counts.values(), strict=True))
    assert found / total >= 0.95, counts


def test_where_no_face_is_almost_none_is_told(everything: dict[str, Told]) -> None:
    false = {name: false_tracks(CLIPS[name], everything[name]) for name in FACELESS}
    seconds = sum(max(everything[name].times.values()) for name in FACELESS)
    assert seconds > 80, "86 s of film"
    assert sum(len(tracks) for tracks in false.values()) <= 1, false


def test_printed_skulls_are_no_faces(everything: dict[str, Told]) -> None:
    assert {name: false_tracks(CLIPS[name], everything[name]) for name in MISPRINTED} == {
        name: [] for name in MISPRINTED
    }

"""`emotion-worker analyze` and `verify` on real clips, as a user calls them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import av
import pytest

from tests.acceptance.command import emotion_worker, errors_of, records_of
from tests.shared_data import shared
from worker.face import Box

CLIPS = [
    "woman_sad_then_happy_360p.mp4",
    "face_then_noface_hevc.mov",
    "asl_bird.mkv",
    "timeline_0123_faces_720p.mp4",
    "noface_cars_topdown.mp4",
    "trap_cartoon_bigbuckbunny_720p.mp4",
    "trap_tiny_pedestrians_vtest.avi",
]


def bare_count(clip: Path) -> int:
    """Decoded frames, by nothing but PyAV."""
    with av.open(str(clip)) as container:
        return sum(1 for _ in container.decode(container.streams.best("video")))


def test_every_decoded_frame_is_one_event_in_order(faces_video: Path, tmp_path: Path) -> None:
    out, video = tmp_path / "events.jsonl", tmp_path / "annotated.mp4"
    result = emotion_worker("analyze", faces_video, "--out", out, "--video", video)
    assert result.returncode == 0, result.stderr
    *events, last = records_of(out)
    assert [event["frame"]["index"] for event in events] == list(range(60)) == list(range(bare_count(faces_video)))
    assert [event["seq"] for event in events] == list(range(1, 61))
    assert {event["stream"] for event in events} == {last["stream"]}
    assert last["stream"].startswith("three_faces.mp4-")
    assert (last["type"], last["state"], last["skipped"]) == ("emotion.status.v1", "ended", {})
    assert all(event["latency_ms"] is None and event["frame"]["captured_at"] is None for event in events)
    seen = [face for event in events for face in event["faces"]]
    assert all(face["emotion"] or face["abstained"] for face in seen), "every crop is classified"
    stable = {face["stable"]["label"] for face in seen if face["stable"]}
    assert "happiness" in stable, "Eileen Collins smiles"
    assert bare_count(video) == 60
    assert "happiness" in result.stderr, "the summary tells it"
    assert emotion_worker("verify", out).returncode == 0


def test_it_is_deterministic(door_video: Path, tmp_path: Path) -> None:
    outs = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for out in outs:
        assert emotion_worker("analyze", door_video, "--out", out).returncode == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_it_also_writes_a_table_a_timeline_and_a_report(door_video: Path, tmp_path: Path) -> None:
    extras = {"--csv": "faces.csv", "--timeline": "time.png", "--report": "report.html"}
    options = [word for option, name in extras.items() for word in (option, name)]
    result = emotion_worker("analyze", door_video, *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"events.jsonl", *extras.values()}
    faces = sum(len(event["faces"]) for event in records_of(tmp_path / "events.jsonl")[:-1])
    assert len((tmp_path / "faces.csv").read_text("utf-8-sig").splitlines()) == faces + 1
    assert "happiness" in (tmp_path / "report.html").read_text()
    assert all(f"{name}" in result.stderr for name in extras.values())


def test_a_region_has_its_own_face_in_pixels_of_the_whole_picture(tmp_path: Path) -> None:
    whole, part = shared("clips/wall_9faces_1080p.mp4"), tmp_path / "part.mkv"
    with av.open(str(whole)) as source, av.open(str(part), "w") as cut:
        track = source.streams.video[0]
        copy = cut.add_stream_from_template(track)
        for packet in itertools.islice(source.demux(track), 21):
            packet.stream = copy
            cut.mux(packet)
    truth = json.loads((Path(__file__).parents[1] / "data" / "clip_boxes.json").read_text())["clips"][whole.name]
    (face,) = [box for box in truth["faces"]["5"] if 640 <= box[0] < 1280 and box[1] < 360]
    out = tmp_path / "events.jsonl"
    result = emotion_worker("analyze", part, "--region", "0.33334,0,0.33333,0.33334", "--out", out)
    assert result.returncode == 0, result.stderr
    events = [record for record in records_of(out) if record["type"] == "emotion.frame.v1"]
    assert len(events) >= 15
    assert {(event["frame"]["width"], event["frame"]["height"]) for event in events} == {(1920, 1080)}
    assert [len(event["faces"]) for event in events] == [1] * len(events)
    x, y, width, height = events[5]["faces"][0]["box"]
    assert Box(x, y, x + width, y + height).iou(Box(*face)) > 0.6


def test_a_start_time_fills_in_wall_time(door_video: Path, tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    emotion_worker("analyze", door_video, "--out", out, "--start-time", "2026-01-01T12:00:00")
    events = records_of(out)[:-1]
    assert events[0]["frame"]["captured_at"] == "2026-01-01T12:00:00.000Z"
    assert events[15]["frame"]["captured_at"] == "2026-01-01T12:00:01.000Z"
    assert events[0]["frame"]["clock"] == "file"


def test_verify_is_red_on_a_removed_a_repeated_and_a_renumbered_record(door_video: Path, tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    emotion_worker("analyze", door_video, "--out", out)
    lines = out.read_text().splitlines()
    renumbered = json.loads(lines[9])
    renumbered["frame"]["index"] += 1
    broken = {
        "removed": [*lines[:9], *lines[10:]],
        "repeated": [*lines[:10], *lines[9:]],
        "renumbered": [*lines[:9], json.dumps(renumbered), *lines[10:]],
    }
    for kind, content in broken.items():
        path = tmp_path / f"{kind}.jsonl"
        path.write_text("\n".join(content) + "\n")
        result = emotion_worker("verify", path)
        assert result.returncode == 1, kind
        assert errors_of(result), kind


def test_photos_and_folders_of_photos(tmp_path: Path) -> None:
    portraits = Path(__file__).resolve().parents[2] / "worker" / "demo"
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("eileen_collins.jpg", "grace_hopper.jpg"):
        (folder / name).write_bytes((portraits / name).read_bytes())
    (folder / "broken.jpg").write_bytes(b"no picture at all")
    out = tmp_path / "events.jsonl"
    result = emotion_worker("analyze", folder, "--out", out, "--video", tmp_path / "seen.mp4")
    assert result.returncode == 66
    assert "broken.jpg" in errors_of(result)[0]
    events = [record for record in records_of(out) if record["type"] == "emotion.frame.v1"]
    faces = {event["stream"].split(".")[0]: event["faces"][0] for event in events}
    assert set(faces) == {"eileen_collins", "grace_hopper"}
    smile, stern = faces["eileen_collins"], faces["grace_hopper"]
    assert (smile["emotion"]["label"], smile["stable"]["label"], smile["abstained"]) == ("happiness", "happiness", None)
    assert (stern["emotion"]["label"], stern["stable"]["label"], stern["abstained"]) == ("neutral", "neutral", None)
    assert (tmp_path / "seen-eileen_collins.jpg").stat().st_size > 10_000


@pytest.mark.parametrize("name", CLIPS)
def test_the_shared_clips_add_up(name: str, tmp_path: Path) -> None:
    clip = shared(f"clips/{name}")
    out = tmp_path / "events.jsonl"
    assert emotion_worker("analyze", clip, "--out", out).returncode == 0
    events = [record for record in records_of(out) if record["type"] == "emotion.frame.v1"]
    assert len(events) == bare_count(clip)
    assert emotion_worker("verify", out).returncode == 0


def test_sad_becomes_happy(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    assert emotion_worker("analyze", shared("clips/woman_sad_then_happy_360p.mp4"), "--out", out).returncode == 0
    stable = [
        (event["frame"]["pts_s"], face["stable"]["label"])
        for event in records_of(out)[:-1]
        for face in event["faces"]
        if face["stable"]
    ]
    crying = [label for at, label in stable if 2.5 <= at < 4]
    laughing = [label for at, label in stable if 11 <= at < 17]
    assert crying.count("sadness") > 0.8 * len(crying) > 20
    assert laughing.count("happiness") > 0.9 * len(laughing) > 100


@pytest.mark.parametrize(
    ("name", "events", "code"),
    [
        ("truncated_moov_front.mp4", None, 66),
        ("truncated_no_moov.mp4", 0, 66),
        ("audio_only.mp4", 0, 66),
        ("empty.mp4", 0, 66),
        ("not_a_video.mp4", 0, 66),
        ("single_frame.mp4", 1, 0),
    ],
)
def test_bad_clips_are_one_clear_line(name: str, events: int | None, code: int, tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    result = emotion_worker("analyze", shared(f"variants/{name}"), "--out", out)
    assert result.returncode == code
    assert len(errors_of(result)) == (1 if code else 0)
    found = sum(record["type"] == "emotion.frame.v1" for record in records_of(out))
    assert found == events if events is not None else found > 40


def test_a_mistyped_name_costs_no_earlier_records(door_video: Path, tmp_path: Path) -> None:
    out, table = tmp_path / "events.jsonl", tmp_path / "faces.csv"
    assert emotion_worker("analyze", door_video, "--out", out, "--csv", table).returncode == 0
    before = out.read_bytes(), table.read_bytes()
    result = emotion_worker("analyze", "dor.mp4", "--out", out, "--csv", table)
    assert result.returncode == 66
    assert f"{out} is left as it was" in result.stderr.replace("\n", "")
    assert (out.read_bytes(), table.read_bytes()) == before


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["nowhere.mp4"], 66, "nowhere.mp4"),
        (["rtsp://user:secret@camera/1"], 78, "emotion-worker run"),
        (["webcam:0"], 78, "emotion-worker run"),
        (["VIDEO", "--out", "no/such/folder/events.jsonl"], 74, "folder"),
        (["VIDEO", "--detector", "nowhere"], 65, "nowhere"),
        (["VIDEO", "--backend", "abacus"], 78, "backend"),
        (["VIDEO", "--region", "0,0,1"], 78, "x,y,width,height"),
        (["VIDEO", "--region", "0.5,0,0.6,1"], 78, "at most 1"),
    ],
)
def test_mistakes_are_told_in_one_line(
    arguments: list[str], code: int, word: str, door_video: Path, tmp_path: Path
) -> None:
    result = emotion_worker("analyze", *[str(door_video) if a == "VIDEO" else a for a in arguments], cwd=tmp_path)
    assert result.returncode == code, result.stderr
    (line,) = errors_of(result)
    assert word in line
    assert "secret" not in result.stderr

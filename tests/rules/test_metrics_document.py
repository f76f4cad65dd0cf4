"""docs/metrics.md is what a scrape shows; python -m tests.rules.test_metrics_document writes its table again."""

from __future__ import annotations

from pathlib import Path

from worker import redis_client
from worker.assembly.window import build_labels
from worker.clock import SystemClock
from worker.sources.report import RESTART_CAUSES
from worker.web import series
from worker.web.metrics import GroupReading, Metrics

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"


def table() -> str:
    """A row for each metric of ours: name, type, labels, meaning."""
    metrics = Metrics(SystemClock(), build_labels())
    metrics.stream_added("lobby")
    metrics.frame_seen("lobby", 1, 2)
    metrics.camera_clock_offset("lobby", 1)
    metrics.consumers("lobby", {"alarm": GroupReading(1, 2, False)})
    metrics.cores_needed("decode", 1)
    metrics.model(**dict.fromkeys(series.MODEL_LABELS, "x"))
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for family in metrics.registry.collect():
        if not family.name.startswith(series.NAMESPACE):
            continue
        assert family.samples, f"{family.name} is not filled: its labels are unknown"
        labels = [name for name in family.samples[0].labels if name != "le"]
        name = family.name + ("_total" if family.type == "counter" else "")
        rows.append(f"| `{name}` | {family.type} | {', '.join(labels)} | {family.documentation} |")
    return "\n".join(rows) + "\n"


def test_the_document_lists_every_metric_as_it_is() -> None:
    written = DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]
    assert written == table()


DESIGN = """
    frames_decoded_total frames_published_total frames_in_flight frames_skipped_total decode_errors_total gaps_total
    faces_total emotions_total abstentions_total label_flips_total frame_latency_seconds frame_age_seconds stage_seconds
    batch_frames inference_busy_ratio stream_up stream_state stream_restarts_total stream_last_frame_timestamp_seconds
    redis_up publish_errors_total publish_queue_records spool_bytes spool_records consumer_lag_seconds consumer_lost
    consumer_pending_seconds model_info build_info stuck_threads_total cores_needed camera_clock_offset_seconds
    records_replayed_total
"""


def test_every_metric_of_the_design_is_there() -> None:
    rows = table()
    for name in DESIGN.split():
        assert f"| `emotion_worker_{name}` |" in rows, name
    assert rows.count("\n") == 2 + len(DESIGN.split()), "a metric that the design does not know"


def test_the_windows_know_the_words_of_the_other_rooms() -> None:
    """Rooms do not import one another, so that these lists stand twice."""
    assert series.RESTART_CAUSES == RESTART_CAUSES
    server_words = {word.lower() for word in redis_client._RETRY_WORDS}
    assert set(series.PUBLISH_ERRORS) == server_words | {"connection", "timeout", "auth", "wrongtype", "other"}


if __name__ == "__main__":
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(before + BEGIN + table() + END + rest.partition(END)[2])

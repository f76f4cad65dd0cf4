"""Writes the two dashboards: python deploy/grafana/make_dashboards.py (a test holds the written files equal to it)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from panels import (
    ALL,
    FPS,
    ONE,
    PER_S,
    STATES,
    Panel,
    dashboard,
    emotions,
    lines,
    panel,
    quantile,
    rate,
    row,
    stat,
    table,
    variable,
)  # fmt: skip

FOLDER = Path(__file__).resolve().parent / "dashboards"


def overview() -> dict[str, Any]:
    """All streams and all workers."""
    up = f"max by (job, stream) (emotion_worker_stream_up{{{ALL}}})"
    states = table(
        "State of each stream",
        "A click on a stream opens its own dashboard.",
        f"max by (stream, state, instance) (emotion_worker_stream_state{{{ALL}}}) == 1",
        {"stream": "stream", "state": "state", "instance": "worker"},
    )
    address = "/d/emotion-stream?var-job=${job}&var-stream=${__value.raw}&${__url_time_range}"
    states["fieldConfig"]["overrides"] = [
        {
            "matcher": {"id": "byName", "options": "stream"},
            "properties": [{"id": "links", "value": [{"title": "Open the stream's dashboard", "url": address}]}],
        },
        {
            "matcher": {"id": "byName", "options": "state"},
            "properties": [
                {
                    "id": "mappings",
                    "value": [{"type": "value", "options": {n: {"color": c, "text": n} for n, c in STATES.items()}}],
                },
                {"id": "custom.cellOptions", "value": {"type": "color-text"}},
            ],
        },
    ]
    workers = variable("instance", "Worker", 'label_values(emotion_worker_build_info{job="$job"}, instance)', True)
    return dashboard(
        "emotion-overview",
        "Emotion worker: overview",
        "All streams and all workers.",
        [variable("job", "Job", "label_values(emotion_worker_build_info, job)"), workers],
        [
            row("Now"),
            *_now(up),
            row("Streams"),
            states,
            *_streams(),
            row("Faces"),
            *_faces(),
            row("Workers"),
            *_workers(),
        ],
    )


def _now(up: str) -> list[Panel]:
    return [
        stat("Streams live", "Streams that send frames.", "none", f"sum({up})"),
        stat("Streams not live", "Down, refused, or ended.", "none", f"count({up}) - sum({up})", (1, "red")),
        stat("Events", "Frames whose event has reached Redis.", FPS, rate("frames_published", ALL)),
        stat("Latency, 95 %", "From a frame's arrival to Redis' answer.", "s",
             quantile(0.95, "frame_latency_seconds", ALL), (1, "orange")),
        stat("Waiting records", "In memory on their way to Redis.", "none",
             f"sum(emotion_worker_publish_queue_records{{{ALL}}})", (500, "orange")),
        stat("Workers that reach Redis", "Share of the workers whose last call was answered.", "percentunit",
             f"avg(emotion_worker_redis_up{{{ALL}}})", (0, "red"), (1, "green")),
    ]  # fmt: skip


def _streams() -> list[Panel]:
    age = f"max by (stream) (emotion_worker_frame_age_seconds{{{ALL}}})"
    return [
        lines("Events", "Frames whose event has reached Redis.", FPS,
              (rate("frames_published", ALL, "stream"), "{{stream}}")),
        lines("Latency, 95 %", "From a frame's arrival to Redis' answer. The alert's budget is 1 s.", "s",
              (quantile(0.95, "frame_latency_seconds", ALL, "stream"), "{{stream}}")),
        lines("Frames without an event", "max_fps: not wanted by the settings. superseded: a newer frame came first.",
              FPS, (rate("frames_skipped", ALL, "reason"), "{{reason}}")),
        lines("Age of the newest frame", "A live stream that grows older has stalled.", "s", (age, "{{stream}}")),
        lines("Gaps", "Gap records in five minutes: stretches of time without events, by cause.", "none",
              (f"sum by (cause) (increase(emotion_worker_gaps_total{{{ALL}}}[5m]))", "{{cause}}")),
    ]  # fmt: skip


def _faces() -> list[Panel]:
    return [
        emotions(ALL, 8),
        lines("Faces", "Faces in events, by stream.", PER_S, (rate("faces", ALL, "stream"), "{{stream}}")),
        lines("Abstentions", "Faces of which no emotion is said, by reason.", PER_S,
              (rate("abstentions", ALL, "reason"), "{{reason}}")),
    ]  # fmt: skip


def _workers() -> list[Panel]:
    of = f"{{{ALL}}}"
    interval = "[$__rate_interval]"
    mean = (
        f"sum by (instance) (rate(emotion_worker_batch_frames_sum{of}{interval}))"
        f" / sum by (instance) (rate(emotion_worker_batch_frames_count{of}{interval}))"
    )
    lag = f"max by (group, stream) (emotion_worker_consumer_lag_seconds{of})"
    return [
        lines("Time in each stage, 95 %", "wait: until the models are free. publish: until Redis answers.", "s",
              (quantile(0.95, "stage_seconds", ALL, "stage"), "{{stage}}")),
        lines("Inference thread busy", "Near 100 % the models are the narrow place, and frames are skipped.",
              "percentunit", (f"emotion_worker_inference_busy_ratio{of}", "{{instance}}")),
        lines("Cores that live streams need", "More than the worker has: frames are skipped.", "suffix: cores",
              (f"sum by (part) (emotion_worker_cores_needed{of})", "{{part}}"), stack="normal"),
        lines("CPU", "Cores in use, by worker.", "suffix: cores",
              (f"rate(process_cpu_seconds_total{of}{interval})", "{{instance}}")),
        lines("Memory", "Resident, by worker.", "bytes", (f"process_resident_memory_bytes{of}", "{{instance}}")),
        lines("Frames in a batch", "Mean size of the detector's batches.", "none", (mean, "{{instance}}")),
        lines("Failed calls to Redis", "By kind; each is tried again.", PER_S,
              (rate("publish_errors", ALL, "kind"), "{{kind}}")),
        lines("Consumers behind", "Age of the oldest record that a group has not got.", "s",
              (lag, "{{group}} on {{stream}}")),
        table("Models", "What is loaded, and on what it runs.", f"emotion_worker_model_info{of}",
              {"instance": "worker", "model": "task", "name": "model", "version": "version", "device": "device",
               "precision": "precision"}),
    ]  # fmt: skip


def one_stream() -> dict[str, Any]:
    """Everything about one stream."""
    streams = variable("stream", "Stream", 'label_values(emotion_worker_stream_up{job="$job"}, stream)')
    return dashboard(
        "emotion-stream",
        "Emotion worker: one stream",
        "Everything about one stream.",
        [variable("job", "Job", "label_values(emotion_worker_stream_up, job)"), streams],
        [row("Camera"), *_camera(), row("Frames"), *_frames(), row("Faces"), *_stream_faces()],
    )


def _camera() -> list[Panel]:
    opened = f"sum by (cause) (increase(emotion_worker_stream_restarts_total{{{ONE}}}[5m]))"
    state = panel(
        "state-timeline",
        "State",
        "Where the stream stood.",
        "none",
        (f"max by (state) (emotion_worker_stream_state{{{ONE}}})", "{{state}}"),
        width=12,
    )
    state["options"] = {"showValue": "never", "mergeValues": True, "legend": {"showLegend": False}}
    state["fieldConfig"]["defaults"] |= {
        "mappings": [{"type": "value", "options": {"0": {"color": "transparent"}, "1": {"color": "green"}}}]
    }
    return [
        stat("Live", "1 while frames come.", "none", f"max(emotion_worker_stream_up{{{ONE}}})",
             (0, "red"), (1, "green"), width=6),
        stat("Age of the newest frame", "Since it was decoded.", "s",
             f"min(emotion_worker_frame_age_seconds{{{ONE}}})", (15, "orange"), width=6),
        stat("Faces in a frame", "Mean over the events.", "none",
             f"{rate('faces', ONE)} / {rate('frames_published', ONE)}", width=6),
        stat("Latency, 95 %", "From a frame's arrival to Redis' answer.", "s",
             quantile(0.95, "frame_latency_seconds", ONE), (1, "orange"), width=6),
        state,
        lines("Opened again", "Times in five minutes, by cause.", "none", (opened, "{{cause}}"), width=12),
    ]  # fmt: skip


def _frames() -> list[Panel]:
    flight = f"sum(emotion_worker_frames_in_flight{{{ONE}}})"
    ledger = (
        (rate("frames_published", ONE), "published"),
        (rate("frames_skipped", ONE, "reason"), "skipped: {{reason}}"),
    )
    latency = tuple((quantile(s, "frame_latency_seconds", ONE), f"{s:.0%}") for s in (0.5, 0.95, 0.99))
    return [
        lines("Where decoded frames went", "Published and skipped add up to decoded, but for those in flight.", FPS,
              *ledger, stack="normal"),
        lines("Decoded", "What comes from the camera.", FPS, (rate("frames_decoded", ONE), "decoded")),
        lines("In flight", "Decoded and neither published nor skipped yet.", "suffix: frames", (flight, "in flight")),
        lines("Latency", "From a frame's arrival to Redis' answer.", "s", *latency),
        lines("Gaps", "Gap records in five minutes, by cause.", "none",
              (f"sum by (cause) (increase(emotion_worker_gaps_total{{{ONE}}}[5m]))", "{{cause}}")),
        lines("Damage", "Packets or frames that could not be decoded.", PER_S,
              (rate("decode_errors", ONE), "decode errors")),
    ]  # fmt: skip


def _stream_faces() -> list[Panel]:
    lag = f"max by (group) (emotion_worker_consumer_lag_seconds{{{ONE}}})"
    pending = f"max by (group) (emotion_worker_consumer_pending_seconds{{{ONE}}})"
    return [
        emotions(ONE, 12),
        lines("Faces", "Faces in events.", PER_S, (rate("faces", ONE), "faces"), width=12),
        lines("Abstentions", "Faces of which no emotion is said, by reason.", PER_S,
              (rate("abstentions", ONE, "reason"), "{{reason}}")),
        lines("Changes of the stable label", "Many: faces at the limit between two emotions, or too little light.",
              PER_S, (rate("label_flips", ONE), "changes")),
        lines("Consumers behind", "Age of the oldest record that a group has not got, or not finished.", "s",
              (lag, "{{group}}: not got"), (pending, "{{group}}: not finished")),
    ]  # fmt: skip


def written() -> dict[str, str]:
    """The files by their names."""
    made = {"overview.json": overview(), "stream.json": one_stream()}
    return {name: json.dumps(content, indent=1) + "\n" for name, content in made.items()}


if __name__ == "__main__":
    for name, text in written().items():
        (FOLDER / name).write_text(text, encoding="utf-8")

"""Settings: read once, checked whole, handed to each room as its own section."""

from worker.settings.load import load_settings
from worker.settings.sections import (
    EventsSettings,
    GateSettings,
    LogsSettings,
    ModelsSettings,
    PipelineSettings,
    PublishSettings,
    RedisSettings,
    ShardSettings,
    WebSettings,
    WorkerSettings,
)
from worker.settings.shard import shard_of
from worker.settings.show import effective
from worker.settings.stream import StreamSettings
from worker.settings.whole import Settings

__all__ = [
    "EventsSettings",
    "GateSettings",
    "LogsSettings",
    "ModelsSettings",
    "PipelineSettings",
    "PublishSettings",
    "RedisSettings",
    "Settings",
    "ShardSettings",
    "StreamSettings",
    "WebSettings",
    "WorkerSettings",
    "effective",
    "load_settings",
    "shard_of",
]

"""All settings of one worker."""

from __future__ import annotations

from collections import Counter
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from worker.settings.section import Section
from worker.settings.sections import (
    EventsSettings,
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
from worker.settings.stream import StreamSettings


class Settings(Section):
    """All settings of one worker."""

    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    streams: tuple[StreamSettings, ...] = Field((), description="Cameras and files; only in the file, never variables.")
    models: ModelsSettings = Field(default_factory=ModelsSettings)
    pipeline: PipelineSettings = Field(default_factory=PipelineSettings)
    events: EventsSettings = Field(default_factory=EventsSettings)
    publish: PublishSettings = Field(default_factory=PublishSettings)
    redis: RedisSettings = Field(default_factory=RedisSettings)
    web: WebSettings = Field(default_factory=WebSettings)
    logs: LogsSettings = Field(default_factory=LogsSettings)
    shard: ShardSettings = Field(default_factory=ShardSettings)

    @field_validator("streams", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        """A list whose items are all commented out reads as null in YAML."""
        return () if value is None else value

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        twice = [name for name, count in Counter(stream.id for stream in self.streams).items() if count > 1]
        if twice:
            raise ValueError(f"stream ids must differ; more than once: {', '.join(twice)}")
        return self

    @property
    def own_streams(self) -> tuple[StreamSettings, ...]:
        """The streams that fall to this worker by `shard`."""
        return tuple(stream for stream in self.streams if shard_of(stream.id, self.shard.of) == self.shard.index)

    @property
    def purpose_refused(self) -> str | None:
        """Why the declared purpose may not be served; None where it may."""
        if self.worker.purpose not in ("workplace", "education") or self.worker.declared is not None:
            return None
        return (
            f"worker.purpose is {self.worker.purpose}: inferring emotions of people at work or in education is "
            "forbidden in the EU (AI Act, Article 5(1)(f)) unless for medical or safety reasons; if that is so, say "
            "worker.declared: medical or safety"
        )

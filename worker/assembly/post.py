"""Opens the post that the settings ask for: Redis, a file or standard output."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from worker.assembly.reports import PostReport
from worker.assembly.study import Author
from worker.clock import Clock, ulid
from worker.draft import Draft
from worker.errors import RedisUnavailable
from worker.frame import Gap
from worker.publish.file_writer import JsonlFile
from worker.publish.lane import Identity, LaneSettings
from worker.publish.local_writer import LocalPublisher
from worker.publish.preflight import check
from worker.publish.queue import GapDraft, MissingSeq
from worker.publish.redis_writer import PublisherThread
from worker.publish.scripts import Connection, Trimming
from worker.publish.stdout_writer import JsonlStdout
from worker.redis_client import RedisTarget, connect
from worker.settings import RedisSettings, Settings

_log = logging.getLogger(__name__)
_CALL_S = 0.5
"""A call under way when the deadline is over gets this much longer."""


@dataclass(frozen=True, slots=True)
class Post:
    """The publisher thread, and how the queues make gap records."""

    publisher: PublisherThread | LocalPublisher
    gap_draft: GapDraft

    def stop(self, seconds: float) -> bool:
        """Send what waits within `seconds`; False: the thread still runs. What could not leave is logged."""
        self.publisher.stop(seconds)
        ended = self.publisher.join(seconds + _CALL_S)
        for stream, left in self.publisher.unsent.items():
            _log.error("stream %s: %d records (%d frames) could not leave", stream, left.records, left.frames)
        return ended

    @property
    def unsent(self) -> int:
        """Records that could not leave."""
        return sum(left.records for left in self.publisher.unsent.values())


def open_post(settings: Settings, streams: Sequence[str], author: Author, report: PostReport, clock: Clock) -> Post:
    """Make the publisher; it is not started.

    Raises:
        RedisError: Redis refuses in a way that no waiting mends. One that is merely away is waited for.
        OutputError: the file cannot be written.
    """

    def gap_draft(gap: Gap, missing_seq: MissingSeq | None) -> Draft:
        report.gap(gap)
        return author.gap(gap, missing_seq)

    target = settings.publish.target
    if target == "file":
        assert settings.publish.path is not None
        return Post(LocalPublisher(JsonlFile(settings.publish.path, clock, whole=False), report, clock), gap_draft)
    if target == "stdout":
        return Post(
            LocalPublisher(JsonlStdout(sys.stdout.buffer, epoch=int(clock.wall() * 1000)), report, clock), gap_draft
        )
    redis = settings.redis
    where = redis_target(redis)
    lanes = LaneSettings(
        Identity(ulid(clock.wall()), settings.worker.name),
        Trimming(0 if redis.max_age else redis.maxlen, redis.max_age or 0.0),
        gap_draft,
        hold_for=redis.hold_for_groups,
    )
    client = connect(where)
    try:
        check(client, where.where, streams)
    except RedisUnavailable as error:
        _log.warning("%s; records wait in memory until it is there", error)
    finally:
        client.close()
    connection = Connection(lambda: connect(where), where.where)
    return Post(PublisherThread(connection, lanes, report, clock), gap_draft)


def redis_target(redis: RedisSettings) -> RedisTarget:
    """Where Redis is, from the settings.

    Raises:
        SettingsError: the password's file cannot be read.
    """
    return RedisTarget(
        url=redis.url.get_secret_value(),
        username=redis.username,
        password=redis.secret(),
        mode=redis.mode,
        service=redis.sentinel_master or "mymaster",
        tls_ca=None if redis.tls_ca is None else str(redis.tls_ca),
        connect_timeout=redis.connect_timeout,
        timeout=redis.reply_timeout,
    )

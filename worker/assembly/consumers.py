"""Looks every few seconds how far the consumers are behind, and tells the metrics."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from worker.clock import Clock
from worker.errors import RedisError
from worker.publish.groups import group_states
from worker.redis_client import RedisTarget, connect
from worker.web.metrics import GroupReading, Metrics

_log = logging.getLogger(__name__)
_EVERY_S = 5.0


class ConsumerWatch:
    """The thread `consumers`. It has a connection of its own: a slow answer must not hold up the publisher."""

    def __init__(
        self,
        target: RedisTarget,
        streams: Callable[[], Iterable[str]],
        metrics: Metrics,
        clock: Clock,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._target = target
        self._streams = streams
        self._metrics = metrics
        self._clock = clock
        self._failed = failed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="consumers", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """End the thread; False: it still runs (Redis does not answer)."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._clock.wait(self._stopping, _EVERY_S):
                self._look()
        except BaseException as error:  # noqa: BLE001 - the outermost loop: by SystemExit, too, it would end unnoticed
            self._failed(error)

    def _look(self) -> None:
        try:
            client = connect(self._target)
            try:
                for stream in self._streams():
                    states = group_states(client, stream, self._target.where)
                    readings = {
                        name: GroupReading(state.lag_s, state.pending_s, state.lost) for name, state in states.items()
                    }
                    self._metrics.consumers(stream, readings)
            finally:
                client.close()
        except RedisError as error:
            _log.debug("consumer groups cannot be seen: %s", error)  # the publisher tells that Redis is away

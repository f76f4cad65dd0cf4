"""The readers for asyncio: a `Reader` or `GroupReader` on a thread of its own. Needs redis and pydantic alone.

    async with AsyncReader(Reader(redis.Redis())) as records:
        async for item in records:
            ...

The blocking readers are the one implementation, for a server as for a cluster; waiting for Redis is all that the
thread does. A read that is cancelled loses nothing: what it brings is given by the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from worker.events.consumer import BLOCK_S
from worker.events.group import GroupItem

ItemT_co = TypeVar("ItemT_co", covariant=True)


class _Reads(Protocol[ItemT_co]):
    """What `Reader` and `GroupReader` have in common."""

    def fetch(self, wait_s: float = 0.0, limit: int = 1000) -> None: ...

    def take(self) -> ItemT_co | None: ...


class AsyncReader(Generic[ItemT_co]):
    """One reader, used by one task of an event loop. Close it, or use it as an async context manager.

    Attributes:
        reader: the reader on the thread; look at its `positions` only while no read is under way.
    """

    def __init__(self, reader: _Reads[ItemT_co]) -> None:
        self.reader = reader
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="emotion-reader")
        self._under_way: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def __aiter__(self) -> AsyncIterator[ItemT_co]:
        """All items, for ever; waits for new ones. A loop that is left loses nothing: the next one goes on there."""
        while True:
            item = self.reader.take() if self._under_way is None else None
            if item is None:
                await self._fetch(BLOCK_S, 1000)
            else:
                yield item

    async def read(self, wait_s: float = 0.0, limit: int = 1000) -> Sequence[ItemT_co]:
        """As the reader's own `read`.

        Raises:
            redis.RedisError: as the client does; reading again goes on where this stopped.
        """
        deadline = time.monotonic() + wait_s
        while True:
            await self._fetch(max(0.0, min(deadline - time.monotonic(), BLOCK_S)), limit)
            items = list(iter(self.reader.take, None))
            if items or time.monotonic() >= deadline:
                return items

    async def _fetch(self, wait_s: float, limit: int) -> None:
        """At most a second on the thread: closing does not wait for longer. One that was cancelled is waited for."""
        if self._under_way is None:
            loop = asyncio.get_running_loop()
            self._under_way = loop.run_in_executor(self._thread, self.reader.fetch, wait_s, limit)
        try:
            await asyncio.shield(self._under_way)
        except Exception:  # of any kind: that fetch is over; a cancellation is none, there the next call waits for it
            self._under_way = None
            raise
        self._under_way = None

    async def ack(self, items: Iterable[GroupItem]) -> None:
        """The work on `items` of a `GroupReader` is done. Raises TypeError for a `Reader`, which needs no such word."""
        acknowledge = getattr(self.reader, "ack", None)
        if acknowledge is None:
            raise TypeError("only records of a group are acknowledged; a Reader keeps its positions")
        await asyncio.get_running_loop().run_in_executor(self._thread, acknowledge, list(items))

    async def aclose(self) -> None:
        """End the thread; waits for a read that is under way (at most a second)."""
        await asyncio.to_thread(self._thread.shutdown)

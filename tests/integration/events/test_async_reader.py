from __future__ import annotations

import asyncio

import pytest
import redis

from worker.events.async_reader import AsyncReader
from worker.events.consumer import Reader, Received
from worker.events.fake import FakeCamera, face
from worker.events.group import GroupReader


def test_an_event_loop_gets_every_record_in_order_and_is_not_held_up(client: redis.Redis) -> None:
    camera = FakeCamera(client)
    camera.frame(face())

    async def read() -> tuple[list[int], int]:
        turns, seqs = 0, []

        async def tick() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.01)
                turns += 1

        ticking = asyncio.create_task(tick())
        async with AsyncReader(Reader(client)) as records:
            assert await records.read() != []
            later = asyncio.get_running_loop().call_later(0.3, lambda: [camera.frame(face()) for _ in range(3)])
            async for item in records:
                assert isinstance(item, Received)
                seqs.append(item.record.seq)
                if len(seqs) == 3:
                    break
            later.cancel()
        ticking.cancel()
        return seqs, turns

    seqs, turns = asyncio.run(read())
    assert seqs == [2, 3, 4]
    assert turns > 3


def test_a_cancelled_read_loses_nothing(client: redis.Redis) -> None:
    camera = FakeCamera(client)
    camera.frame()

    async def read() -> list[int]:
        async with AsyncReader(Reader(client)) as records:
            assert len(await records.read()) == 1
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(records.read(wait_s=5), 0.05)
            camera.frame(face())  # the cancelled read brings it
            camera.frame(face())
            seqs: list[int] = []
            while len(seqs) < 2:
                seqs += [item.record.seq for item in await records.read(wait_s=5) if isinstance(item, Received)]
            return seqs

    assert asyncio.run(read()) == [2, 3]


def test_a_loop_that_is_left_goes_on_where_it_was(client: redis.Redis) -> None:
    camera = FakeCamera(client)
    for _ in range(5):
        camera.frame()

    async def read() -> list[int]:
        seqs: list[int] = []
        async with AsyncReader(Reader(client)) as records:
            for _ in range(2):
                async for item in records:
                    assert isinstance(item, Received)
                    seqs.append(item.record.seq)
                    break
            seqs += [item.record.seq for item in await records.read() if isinstance(item, Received)]
        return seqs

    assert asyncio.run(read()) == [1, 2, 3, 4, 5]


def test_a_group_shares_and_acknowledges(client: redis.Redis) -> None:
    camera = FakeCamera(client)
    for _ in range(4):
        camera.frame()

    async def read() -> int:
        async with AsyncReader(GroupReader(client, "g", "one")) as records:
            items = await records.read(wait_s=1)
            await records.ack(items)
            return len(items)

    assert asyncio.run(read()) == 4
    assert client.xpending("emotion:{lobby}:events", "g")["pending"] == 0


def test_a_reader_has_nothing_to_acknowledge_and_errors_come_through(client: redis.Redis) -> None:
    async def read() -> None:
        async with AsyncReader(Reader(client)) as records:
            with pytest.raises(TypeError, match="positions"):
                await records.ack([])
            client.set("emotion:{lobby}:events", "no stream")
            client.sadd("emotion:streams", "lobby")
            with pytest.raises(redis.ResponseError):
                await records.read()
            client.delete("emotion:{lobby}:events")
            assert list(await records.read()) == []

    asyncio.run(read())

"""The script itself, on real servers: once, in order, all or none, whatever is sent again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.integration.publish.rig import assert_in_order, state, stored
from tests.unit.publish.records import RUN, frame_draft
from worker.embedded_redis import EmbeddedRedis
from worker.errors import RedisError, RedisUnavailable
from worker.publish.scripts import (
    Call,
    Claimed,
    Connection,
    Failure,
    Fenced,
    Lost,
    Numbered,
    Refused,
    Stored,
    Trimming,
    append_answer,
    append_call,
    claim_answer,
    claim_call,
    events_key,
    release_call,
    state_key,
)
from worker.redis_client import RedisTarget, connect

EVERYTHING = Trimming(0, 0)


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with redis.Redis(port=redis_server.port, protocol=2) as client:
        yield client


@pytest.fixture
def server(redis_server: EmbeddedRedis) -> Iterator[Connection]:
    target = RedisTarget(redis_server.url)
    connection = Connection(lambda: connect(target), target.where)
    yield connection
    connection.close()


def numbered(epoch: int, first: int, last: int, size: int = 0) -> list[Numbered]:
    records = []
    for seq in range(first, last + 1):
        draft = frame_draft("a", seq)
        records.append((seq, draft.type, draft.encode(epoch, seq) + b" " * size))
    return records


def claim(server: Connection, writer: str = "W1", worker: str = "edge-1", stale: float = 15) -> Claimed | Refused:
    [reply] = server.run([claim_call("a", writer, worker, stale)])
    return claim_answer(reply)


def append(
    server: Connection,
    epoch: int,
    acked: int,
    records: list[Numbered],
    *,
    writer: str = "W1",
    keep: Trimming = EVERYTHING,
) -> Stored | Lost | Fenced:
    [reply] = server.run([append_call("a", writer, epoch, acked, keep, "R1", records)])
    if isinstance(reply, Failure):
        raise reply
    return append_answer(reply)


def claimed(server: Connection, **names: str) -> Claimed:
    answer = claim(server, **names)
    assert isinstance(answer, Claimed)
    return answer


def test_batches_sent_twice_and_overlapping_leave_no_double(server: Connection, client: redis.Redis) -> None:
    epoch = claimed(server).epoch
    for first, last, highest in [(1, 100, 100), (1, 100, 100), (51, 150, 150), (20, 30, 150), (120, 180, 180)]:
        assert append(server, epoch, 0, numbered(epoch, first, last)) == Stored(highest)
    records = stored(client, "a")
    assert [record["seq"] for record in records] == list(range(1, 181))
    assert state(client, "a")["seq"] == "180"


def test_an_empty_batch_is_a_sign_of_life(server: Connection, client: redis.Redis) -> None:
    epoch = claimed(server).epoch
    client.hset(state_key("a"), "beat", "1")
    assert append(server, epoch, 0, []) == Stored(0)
    seconds, _ = client.time()
    assert abs(int(state(client, "a")["beat"]) / 1000 - seconds) < 5
    assert not client.exists(events_key("a"))


def test_an_old_epoch_and_another_writer_are_refused(server: Connection, client: redis.Redis) -> None:
    old = claimed(server).epoch
    append(server, old, 0, numbered(old, 1, 3))
    new = claimed(server, writer="W2").epoch
    assert new > old
    assert append(server, old, 3, numbered(old, 4, 5)) == Fenced(new, "edge-1")
    assert append(server, new, 3, numbered(new, 4, 5), writer="W1") == Fenced(new, "edge-1")
    assert [record["seq"] for record in stored(client, "a")] == [1, 2, 3]
    assert append(server, new, 3, numbered(new, 4, 5), writer="W2") == Stored(5)


def test_records_that_redis_lost_are_noticed_and_nothing_is_written(server: Connection, client: redis.Redis) -> None:
    epoch = claimed(server).epoch
    append(server, epoch, 0, numbered(epoch, 1, 5))
    client.hset(state_key("a"), "seq", "3")  # as a replica that lagged behind would have it
    assert append(server, epoch, 5, numbered(epoch, 6, 7)) == Lost(3, absent=False)
    assert client.xlen(events_key("a")) == 5
    client.flushall()
    assert append(server, epoch, 5, numbered(epoch, 6, 7)) == Lost(0, absent=True)
    assert client.keys() == []


def test_a_claim_learns_the_number_from_the_events_if_only_the_state_is_gone(
    server: Connection, client: redis.Redis
) -> None:
    epoch = claimed(server).epoch
    append(server, epoch, 0, numbered(epoch, 1, 5))
    client.delete(state_key("a"))
    again = claimed(server)
    assert (again.seq, again.open_run) == (5, RUN), "nobody can say whether that run had ended: a gap must tell it"
    assert state(client, "a")["run"] == RUN
    assert append(server, again.epoch, 5, numbered(again.epoch, 5, 6)) == Stored(6)
    assert_in_order(stored(client, "a"))


def test_a_claim_survives_events_that_are_not_ours(server: Connection, client: redis.Redis) -> None:
    for data in ("no JSON", "[]", '{"run":7}'):
        client.delete(state_key("a"))
        client.xadd(events_key("a"), {"seq": "12", "data": data})
        answer = claimed(server)
        assert (answer.seq, answer.open_run) == (12, "")


def test_a_claim_is_refused_while_another_worker_lives(server: Connection, client: redis.Redis) -> None:
    epoch = claimed(server).epoch
    append(server, epoch, 0, numbered(epoch, 1, 1))
    refused = claim(server, "W2", "edge-2")
    assert isinstance(refused, Refused)
    assert refused.owner == "edge-1"
    assert 0 <= refused.age_s < 5
    assert append(server, epoch, 1, numbered(epoch, 2, 2)) == Stored(2), "a refused claim must change nothing"
    old = int(state(client, "a")["beat"]) - 16_000
    client.hset(state_key("a"), "beat", old)
    taken = claim(server, "W2", "edge-2")
    assert isinstance(taken, Claimed)
    assert (taken.seq, taken.open_run, taken.worker, taken.beat) == (2, "R1", "edge-1", old / 1000)


def test_a_clean_stop_frees_the_stream_at_once(server: Connection, client: redis.Redis) -> None:
    epoch = claimed(server).epoch
    append(server, epoch, 0, numbered(epoch, 1, 1))
    assert server.run([release_call("a", "W1", epoch - 1, clean=True)]) == [0]
    assert server.run([release_call("a", "W1", epoch, clean=True)]) == [1]
    taken = claim(server, "W2", "edge-2")
    assert isinstance(taken, Claimed)
    assert (taken.seq, taken.open_run, taken.beat) == (1, "", 0)


def test_the_epoch_rises_even_if_the_servers_clock_falls_back(server: Connection, client: redis.Redis) -> None:
    future = 9_000_000_000_000  # Unix ms, year 2255
    client.hset(state_key("a"), mapping={"seq": "7", "epoch": str(future)})
    assert claimed(server).epoch == future + 1


def test_out_of_memory_leaves_events_and_state_equal_and_goes_on(server: Connection, client: redis.Redis) -> None:
    epoch = claimed(server).epoch
    used = int(client.info("memory")["used_memory"])
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", used + 3_000_000)
    seq, failure = 0, None
    while failure is None:
        [reply] = server.run(
            [append_call("a", "W1", epoch, seq, EVERYTHING, "", numbered(epoch, seq + 1, seq + 100, 1000))]
        )
        failure = reply if isinstance(reply, Failure) else None
        seq += 0 if failure else 100
    assert failure.kind == "oom"
    assert isinstance(failure.error, RedisUnavailable)
    assert client.xlen(events_key("a")) == seq == int(state(client, "a")["seq"])
    assert seq > 0
    client.config_set("maxmemory", 0)
    assert append(server, epoch, seq, numbered(epoch, seq + 1, seq + 100)) == Stored(seq + 100)
    assert_in_order(stored(client, "a"))


def test_a_forgotten_script_is_loaded_again(server: Connection, client: redis.Redis) -> None:
    epoch = claimed(server).epoch
    client.script_flush()
    assert append(server, epoch, 0, numbered(epoch, 1, 2)) == Stored(2)


def test_a_key_of_another_type_fails_that_call_alone(server: Connection, client: redis.Redis) -> None:
    epoch = claimed(server).epoch
    client.set(events_key("a"), "something else")
    with pytest.raises(Failure) as caught:
        append(server, epoch, 0, numbered(epoch, 1, 2))
    assert type(caught.value.error) is RedisError
    assert "delete that key" in str(caught.value)
    assert state(client, "a")["seq"] == "0"
    replies = server.run([append_call("a", "W1", epoch, 0, EVERYTHING, "", []), Call(("PING",))])
    assert append_answer(replies[0]) == Stored(0)
    assert replies[1] in (b"PONG", True)


@pytest.mark.parametrize("keep", [Trimming(max_records=200), Trimming(0, max_age_s=0.2)], ids=["count", "age"])
def test_old_records_are_trimmed(server: Connection, client: redis.Redis, keep: Trimming) -> None:
    epoch = claimed(server).epoch
    for first in range(1, 2001, 100):
        append(server, epoch, first - 1, numbered(epoch, first, first + 99), keep=keep)
    if keep.max_age_s:
        client.execute_command("CLIENT", "PAUSE", 300, "ALL")
        append(server, epoch, 2000, numbered(epoch, 2001, 2001), keep=keep)
    records = stored(client, "a")
    assert len(records) < 500
    assert_in_order(records)

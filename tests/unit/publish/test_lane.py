"""A lane's decisions, told what Redis answers (the shapes of answers are proved on real servers)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.publish.records import Remembered, frame_draft, gap_draft, status_draft
from worker.clock import SystemClock
from worker.errors import RedisError, RedisUnavailable
from worker.publish.lane import Identity, Lane, LaneSettings
from worker.publish.queue import Policy, PublishQueue
from worker.publish.retry import retry_delay
from worker.publish.scripts import APPEND, CLAIM, RELEASE, UNREAD, Call, Failure, Trimming

SETTINGS = LaneSettings(Identity("W1", "edge-1"), Trimming(), gap_draft, batch=3)


class Talk:
    """A lane and what it says."""

    def __init__(self, settings: LaneSettings = SETTINGS, policy: Policy = "keep_latest") -> None:
        self.queue = PublishQueue("a", policy, 100, gap_draft)
        self.reports = Remembered()
        self.lane = Lane(self.queue, settings, self.reports, SystemClock())
        self.now = 100.0

    def ask(self) -> list[Call]:
        return self.lane.calls(self.now)

    def tell(self, *reply: Any) -> None:
        self.lane.answer([list(reply) if len(reply) > 1 else reply[0], None], self.now)

    def claim(self, epoch: int = 5, seq: int = 0, run: bytes = b"", writer: bytes = b"") -> None:
        assert script(self.ask()) == CLAIM.sha
        self.tell(b"OK", epoch, seq, run, b"edge-1", 0, writer)

    def claim_and_announce(self) -> None:
        """Ours, and known to all."""
        self.claim()
        self.frames(0)
        assert self.ask()[1].words == ("SADD", "emotion:streams", "a")
        self.tell(b"OK", 1)
        self.reports.drafts.clear()

    def frames(self, *indices: int) -> None:
        for index in indices:
            self.queue.put(frame_draft("a", index))


def script(calls: list[Call]) -> Any:
    return calls[0].words[1]


def numbers(calls: list[Call]) -> list[Any]:
    """The numbers of the records in an append call."""
    assert script(calls) == APPEND.sha
    return list(calls[0].words[11::3])


def records(calls: list[Call]) -> list[dict[str, Any]]:
    return [json.loads(data) for data in calls[0].words[13::3]]


def test_nothing_leaves_before_the_stream_is_ours() -> None:
    talk = Talk()
    talk.frames(0)
    talk.claim(seq=7)
    assert numbers(talk.ask()) == [8]
    assert talk.reports.claims == [("a", 5, 7)]


def test_a_batch_is_the_same_until_it_has_arrived() -> None:
    talk = Talk()
    talk.claim()
    talk.frames(0, 1)
    first = talk.ask()
    talk.frames(2, 3)
    assert talk.ask() == first
    talk.tell(b"OK", 2)
    assert numbers(talk.ask()) == [3, 4]
    assert [draft.frames for draft in talk.reports.drafts] == [1, 1]


def test_a_lost_claim_answer_or_outage_changes_nothing() -> None:
    talk = Talk()
    first = talk.ask()
    talk.tell(Failure(RedisUnavailable("away"), "connection"))
    assert talk.ask() == []
    assert talk.lane.failing
    assert 100.0 < talk.lane.due(talk.now) <= 105.0
    talk.now += 5
    assert talk.ask() == first
    talk.claim()
    assert not talk.lane.failing


def test_statuses_are_copied_and_beats_come_when_it_is_quiet() -> None:
    talk = Talk()
    talk.claim_and_announce()
    assert talk.ask() == []
    talk.queue.put(status_draft("a", "live"))
    calls = talk.ask()
    assert calls[1].words[:2] == ("XADD", "emotion:status")
    talk.tell(b"OK", 2)
    assert talk.ask() == []
    talk.now = talk.lane.due(talk.now)
    assert talk.now <= 105.0, "at least every five seconds"
    assert numbers(talk.ask()) == []


def test_copies_and_announcements_that_fail_alone_come_again() -> None:
    talk = Talk()
    talk.claim()
    talk.queue.put(status_draft("a", "live"))
    away = Failure(RedisUnavailable("away"), "connection")
    first = talk.ask()
    assert [call.words[0] for call in first] == ["EVALSHA", "SADD", "XADD"]
    talk.lane.answer([[b"OK", 1], away, away], talk.now)
    talk.frames(0)
    assert talk.ask()[1:] == first[1:]
    talk.lane.answer([[b"OK", 2], away, b"1-0"], talk.now)
    talk.frames(1)
    assert talk.ask()[1:] == first[1:2]
    talk.tell(b"OK", 3)
    talk.frames(2)
    assert talk.ask()[1:] == []


def test_an_unclean_end_becomes_a_gap_before_the_first_record() -> None:
    talk = Talk()
    talk.frames(0)
    talk.claim(seq=9, run=b"R-old")
    gap, frame = records(talk.ask())
    assert (gap["cause"], gap["run"], gap["seq"], gap["frames"]) == ("worker_restart", "R-old", 10, None)
    assert frame["seq"] == 11
    talk.tell(b"OK", 11)
    assert talk.lane.unsent().records == 0


def test_loss_is_told_with_the_lost_numbers_and_told_anew_if_more_is_lost() -> None:
    talk = Talk()
    talk.claim()
    talk.frames(0, 1, 2)
    talk.ask()
    talk.tell(b"OK", 3)
    talk.frames(3)
    assert numbers(talk.ask()) == [4]
    talk.tell(b"LOST", 2, b"behind")
    calls = talk.ask()
    assert numbers(calls) == [3, 4]
    assert records(calls)[0]["missing_seq"] == [3, 3]
    assert calls[0].words[7] == 2, "acked is what Redis still has"
    talk.tell(b"LOST", 1, b"behind")
    assert records(talk.ask())[0]["missing_seq"] == [2, 3]
    talk.tell(b"OK", 4)
    talk.frames(4)
    assert numbers(talk.ask()) == [5]


def test_a_state_that_is_gone_is_claimed_again_and_the_batch_keeps_its_numbers() -> None:
    talk = Talk()
    talk.claim()
    talk.frames(0, 1)
    talk.ask()
    talk.tell(b"OK", 2)
    talk.frames(2)
    talk.ask()
    talk.tell(b"LOST", 0, b"absent")
    talk.claim(epoch=6, seq=3)  # the events still had the batch whose answer was lost
    [record] = records(talk.ask())
    assert (record["seq"], record["epoch"]) == (3, 6)


def test_numbers_go_on_behind_another_writer_that_came_between() -> None:
    talk = Talk()
    talk.claim()
    talk.frames(0)
    talk.ask()
    talk.tell(b"LOST", 0, b"absent")
    talk.claim(epoch=9, seq=40)
    assert numbers(talk.ask()) == [41]


@pytest.mark.parametrize(
    ("writer", "first"), [(b"another", 3), (SETTINGS.identity.writer.encode(), 1)], ids=["another's", "our own"]
)
def test_records_of_another_writer_are_not_taken_for_the_batch_in_flight(writer: bytes, first: int) -> None:
    """A failover forgot our claim; before it was made again the number rose to 2, and 3 records were in flight."""
    talk = Talk()
    talk.claim()
    talk.frames(0, 1, 2)
    talk.ask()
    talk.tell(b"FENCED", 4, b"edge-1")
    talk.claim(epoch=9, seq=2, writer=writer)
    assert numbers(talk.ask())[0] == first


def test_a_busy_stream_is_announced_once_a_minute() -> None:
    talk = Talk()
    talk.claim_and_announce()
    announced = []
    for second in range(1, 131):
        talk.now = 100.0 + second
        talk.frames(second)
        calls = talk.ask()
        announced += [second for call in calls if call.words[0] == "SADD"]
        talk.lane.answer([[b"OK", 1 + second], *[1] * (len(calls) - 1)], talk.now)
    assert announced == [60, 120]


def test_a_claim_that_a_failover_forgot_is_made_again() -> None:
    talk = Talk()
    talk.claim(epoch=5)
    talk.frames(0)
    talk.ask()
    talk.tell(b"FENCED", 4, b"edge-1")
    talk.claim(epoch=6)
    assert numbers(talk.ask()) == [1]
    assert not talk.reports.taken


def test_a_stream_that_another_worker_took_is_closed() -> None:
    talk = Talk()
    talk.claim(epoch=5)
    talk.frames(0, 1)
    talk.ask()
    talk.tell(b"FENCED", 6, b"edge-2")
    assert talk.reports.taken == [("a", "edge-2")]
    assert talk.lane.gone
    assert talk.lane.unsent().records == talk.lane.unsent().frames == 2
    assert talk.ask() == talk.lane.give_up() == []
    assert talk.lane.due(talk.now) == float("inf")


def test_a_refused_claim_waits_for_the_owner_to_fall_silent() -> None:
    talk = Talk()
    talk.ask()
    talk.tell(b"REFUSED", b"edge-2", 4000)
    assert talk.reports.refusals == [("a", "edge-2", 4.0, 11.5)]
    assert talk.ask() == []
    assert talk.lane.due(talk.now) == pytest.approx(111.5)


def test_readers_are_asked_about_once_a_second_and_only_while_the_stream_is_ours() -> None:
    talk = Talk(LaneSettings(Identity("W1", "edge-1"), Trimming(150), gap_draft, ("sink",)), "wait")
    talk.ask()
    talk.tell(b"REFUSED", b"edge-2", 4000)
    assert talk.lane.due(talk.now) == pytest.approx(111.5)
    talk.now = 112.0
    talk.claim()
    assert talk.ask()[-1].words[1] == UNREAD.sha
    talk.lane.answer([[b"OK", 0], 1, 60], talk.now)
    assert not talk.queue.reserve(), "60 unread and 100 that may be under way are more than 150"
    assert talk.lane.due(talk.now) == pytest.approx(113.0)
    talk.now = 113.0
    talk.ask()
    talk.lane.answer([[b"OK", 0], 1, Failure(RedisError("NOPERM"), "auth")], talk.now)
    assert not talk.queue.reserve(), "without an answer nothing is known to have been read"
    talk.now = 114.0
    talk.ask()
    talk.lane.answer([[b"OK", 0], 1, 10], talk.now)
    assert talk.queue.reserve()


def test_a_closing_lane_sends_the_rest_and_gives_the_stream_back() -> None:
    talk = Talk()
    talk.claim()
    talk.frames(0)
    talk.lane.close()
    assert numbers(talk.ask()) == [1]
    talk.tell(b"OK", 1)
    assert script(talk.ask()) == RELEASE.sha
    talk.tell(1)
    assert talk.lane.gone


def test_a_closing_lane_without_a_claim_just_goes_and_with_records_tries_once_more() -> None:
    empty, refused = Talk(), Talk()
    empty.lane.close()
    assert empty.ask() == []
    assert empty.lane.gone
    refused.frames(0)
    refused.lane.close()
    refused.ask()
    refused.tell(b"REFUSED", b"edge-2", 4000)
    assert refused.lane.gone
    assert refused.lane.unsent().records == 1


def test_a_lane_that_cannot_finish_gives_the_stream_back_as_unclean() -> None:
    talk = Talk()
    assert talk.lane.give_up() == []
    talk.claim()
    [call] = talk.lane.give_up()
    assert call.words[1] == RELEASE.sha
    assert call.words[-1] == 0


def test_an_error_that_no_retry_mends_closes_the_stream() -> None:
    talk = Talk()
    talk.ask()
    talk.tell(Failure(RedisError("WRONGTYPE"), "wrongtype"))
    assert talk.lane.gone
    assert [stream for stream, _ in talk.reports.refused] == ["a"]


def test_the_delay_doubles_to_five_seconds_and_is_spread() -> None:
    assert [retry_delay(n, 1.0) for n in (1, 2, 3, 5, 6, 100)] == [0.2, 0.4, 0.8, 3.2, 5.0, 5.0]
    assert retry_delay(1, 0.0) == 0.2
    assert retry_delay(6, 0.0) == 2.5

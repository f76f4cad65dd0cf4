"""How often somebody may ask."""

from __future__ import annotations

from worker.web.limits import Rate


def test_a_burst_then_a_rate_and_each_client_for_itself() -> None:
    now = 0.0
    rate = Rate(2, 5, lambda: now)
    assert [rate.take("a") for _ in range(6)] == [True] * 5 + [False]
    assert rate.take("b")
    now = 0.4
    assert not rate.take("a")
    now = 0.6
    assert rate.take("a")
    assert not rate.take("a")
    now = 1000.0
    assert [rate.take("a") for _ in range(6)] == [True] * 5 + [False]


def test_clients_without_number_need_no_memory_without_end() -> None:
    rate = Rate(1, 2, lambda: 0.0)
    for client in range(5000):
        assert rate.take(str(client))
    assert len(rate._clients) == 1024

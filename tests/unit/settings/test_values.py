"""How single values are read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.settings.values import host_name, parse_duration, write_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10),
        ("500ms", 0.5),
        ("2m", 120),
        ("1.5h", 5400),
        ("1d", 86400),
        (" 3 s ", 3),
        ("0s", 0),
        ("7", 7),
        (7, 7),
        (0.25, 0.25),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["10", "1e3"])
def test_a_bare_number_is_seconds(text: str) -> None:
    assert parse_duration(text) == float(text)


@pytest.mark.parametrize("text", ["", "s", "10 seconds", "-1s", "1m30s", "10S", "ten"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="write a duration"):
        parse_duration(text)


@given(st.integers(0, 10**7))
def test_a_written_duration_reads_as_the_same(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(write_duration(seconds)) == pytest.approx(seconds)


def test_a_machine_s_name_is_a_valid_worker_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "küche.local:" + "x" * 80)
    assert host_name() == "k-che.local-" + "x" * 52

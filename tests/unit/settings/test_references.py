"""Variables in addresses."""

from __future__ import annotations

import pytest

from worker.errors import SettingsError
from worker.settings.references import fill, unset


def test_every_name_is_replaced() -> None:
    environ = {"WHO": "viewer", "WORD": "p%40ss"}
    assert fill("rtsp://${WHO}:${WORD}@gate/1?x=${WHO}", environ) == "rtsp://viewer:p%40ss@gate/1?x=viewer"
    assert fill("clips/$WHO.mp4", environ) == "clips/$WHO.mp4"


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("a/b@c#d", "a%2Fb%40c%23d"),
        ("my pass", "my%20pass"),
        ("50%/x", "50%25%2Fx"),
        ("it's!", "it's!"),
        ("p%2F", "p%2F"),
    ],
)
def test_a_password_is_written_as_an_address_wants_it(word: str, written: str) -> None:
    environ = {"WORD": word, "ADDRESS": f"rtsp://u:{word}@gate/1", "PLACE": "a/b@c"}
    assert fill("rtsp://viewer:${WORD}@gate/1", environ) == f"rtsp://viewer:{written}@gate/1"
    assert fill("redis://:${WORD}@cache/0", environ) == f"redis://:{written}@cache/0"
    assert fill("${ADDRESS}", environ) == environ["ADDRESS"], "a whole address is not ours to change"
    assert fill("rtsp://viewer:x@gate/${PLACE}", environ) == "rtsp://viewer:x@gate/a/b@c"
    assert fill("rtsp://${PLACE}", environ) == "rtsp://a/b@c"
    assert fill("rtmp://viewer:${WORD}@gate", environ) == f"rtmp://viewer:{word}@gate"


def test_a_variable_may_hold_the_name_and_the_password() -> None:
    environ = {"BOTH": "admin:p@s:s", "WORD": "p@s:s"}
    assert fill("redis://${BOTH}@cache/0", environ) == "redis://admin:p%40s%3As@cache/0"
    assert fill("redis://${WORD}:${WORD}@cache/0", environ) == "redis://p%40s%3As:p%40s%3As@cache/0"


def test_what_is_not_set_or_empty_is_told_without_the_password() -> None:
    assert unset("${A}${B}${C}", {"A": "a", "B": ""}) == ["B", "C"]
    with pytest.raises(SettingsError, match=r"^redis://:\*\*\*@cache: variable GONE is not set$"):
        fill("redis://:${GONE}@cache", {})

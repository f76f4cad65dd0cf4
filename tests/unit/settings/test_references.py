"""Variables in addresses."""

from __future__ import annotations

import pytest

from worker.errors import SettingsError
from worker.settings.references import fill, unset


def test_every_name_is_replaced() -> None:
    environ = {"WHO": "viewer", "WORD": "p%40ss"}
    assert fill("rtsp://${WHO}:${WORD}@gate/1?x=${WHO}", environ) == "rtsp://viewer:p%40ss@gate/1?x=viewer"
    assert fill("clips/$WHO.mp4", environ) == "clips/$WHO.mp4"


def test_what_is_not_set_or_empty_is_told_without_the_password() -> None:
    assert unset("${A}${B}${C}", {"A": "a", "B": ""}) == ["B", "C"]
    with pytest.raises(SettingsError, match=r"^redis://:\*\*\*@cache: variable GONE is not set$"):
        fill("redis://:${GONE}@cache", {})

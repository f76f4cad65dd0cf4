from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest
from pydantic import ValidationError

from tests.unit.events.records import Book
from worker import frame
from worker.events import schema
from worker.face import EMOTIONS, Abstention
from worker.frame import GapCause, Skip, State
from worker.publish import scripts


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (schema.EmotionName, EMOTIONS),
        (schema.AbstentionName, tuple(Abstention)),
        (schema.SkipName, tuple(Skip)),
        (schema.StateName, tuple(State)),
        (schema.GapCauseName, tuple(GapCause)),
        (schema.ClockName, get_args(frame.ClockName)),
    ],
)
def test_the_schemas_words_are_the_leaves_words(names: object, words: tuple[str, ...]) -> None:
    """The schema must import without them, so it says them again."""
    assert get_args(names) == tuple(str(word) for word in words)


def test_probabilities_are_in_the_order_of_the_emotions() -> None:
    assert tuple(schema.Probabilities.model_fields) == EMOTIONS


def test_the_post_and_the_consumer_mean_the_same_keys() -> None:
    assert schema.events_key("lobby") == scripts.events_key("lobby") == "emotion:{lobby}:events"
    assert (schema.STREAMS_KEY, schema.STATUS_KEY) == (scripts.STREAMS_KEY, scripts.STATUS_KEY)


def test_the_consumer_needs_redis_and_pydantic_alone() -> None:
    """In a fresh interpreter: none of the worker's heavy libraries is loaded, nor any other part of the worker."""
    code = (
        "import sys, worker.events.consumer, worker.events.group\n"
        "heavy = {'numpy', 'cv2', 'av', 'openvino', 'torch', 'structlog', 'typer', 'fastapi', 'prometheus_client'}\n"
        "ours = {m for m in sys.modules if m.startswith('worker')}\n"
        "kit = ('', '.events', '.events.schema', '.events.consumer', '.events.group')\n"
        "sys.exit(str(heavy & set(sys.modules) | ours ^ {'worker' + name for name in kit} or ''))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr.strip() == ""


def test_unknown_fields_are_ignored_and_unknown_types_told() -> None:
    book = Book()
    book.event()
    assert schema.check(book.records[0] | {"new_in_v1": 1}).seq == 1
    with pytest.raises(ValueError, match="newer worker"):
        schema.check(book.records[0] | {"type": "emotion.frame.v2"})


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 0},
        {"stream": "a b"},
        {"skipped": {"lazy": 1}},
        {"skipped": {"max_fps": 0}},
        {"frame": {}},
        {"faces": None},
        {"run": None},
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object]) -> None:
    book = Book()
    book.event()
    with pytest.raises(ValidationError):
        schema.check(book.records[0] | change)


def test_not_a_number_never_leaves() -> None:
    with pytest.raises(ValidationError):
        schema.Stable(label="fear", confidence=float("nan"), since_s=1.0)

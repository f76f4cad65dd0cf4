"""One line an event, no secret in it, repeated warnings summed."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Iterator

import pytest
import structlog

from worker.logs import Format, RepeatsSummed, setup_logs, stop_logs

URL = "rtsp://admin:hunter2@camera.example/1"


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    level = root.level
    yield io.StringIO()
    stop_logs()
    root.setLevel(level)
    structlog.reset_defaults()


def fall(error: Exception) -> None:
    raise error


def lines(out: io.StringIO) -> list[str]:
    for handler in logging.getLogger().handlers:
        handler.flush()
    return out.getvalue().splitlines()


def events(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines(out)]


def test_both_kinds_of_loggers_write_the_same_json(out: io.StringIO) -> None:
    setup_logs("info", "json", out)
    structlog.get_logger().info("opened", stream="lobby", fps=25.5, live=True, nothing=None)
    logging.getLogger("worker.publish").info("claimed %s", "lobby")

    first, second = events(out)

    assert first == {
        "event": "opened", "level": "info", "stream": "lobby", "fps": 25.5, "live": True, "nothing": None,
        "timestamp": first["timestamp"],
    }  # fmt: skip
    assert second["event"] == "claimed lobby"
    assert second["level"] == "info"
    assert str(second["timestamp"]).endswith("Z")


def test_auto_is_json_where_nobody_looks_and_console_on_a_terminal(out: io.StringIO) -> None:
    setup_logs("info", "auto", out)
    logging.getLogger("a").info("hello")
    assert json.loads(lines(out)[0])["event"] == "hello"

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    setup_logs("info", "auto", terminal)
    logging.getLogger("a").info("hello")
    assert "hello" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_line_holds_a_secret(out: io.StringIO, form: Format) -> None:
    setup_logs("debug", form, out)
    log = structlog.get_logger()
    log.info("opening", url=URL, password="hunter2", token="hunter2", headers="Authorization: Bearer hunter2hunter2")
    log.warning(f"cannot open {URL}", nested={"url": URL}, many=[URL])
    logging.getLogger("uvicorn.error").warning("refused %s", URL)
    try:
        fall(OSError(f"401: {URL}"))
    except OSError:
        log.exception("died", stream="lobby")
        logging.getLogger("worker").exception("died too")

    text = "\n".join(lines(out))

    assert "hunter2" not in text
    assert "camera.example" in text
    assert text.count("***") >= 6


def test_json_stays_json_whatever_is_masked(out: io.StringIO) -> None:
    setup_logs("info", "json", out)
    structlog.get_logger().info('he said "password": "hunter2", yes', api_key=5, token=None, secret=URL)
    (event,) = events(out)
    assert event["api_key"] == event["token"] == event["secret"] == "***"
    assert "hunter2" not in str(event)


def test_an_exception_is_one_line_unless_debugging(out: io.StringIO) -> None:
    def fail() -> None:
        try:
            fall(ValueError("no such\nthing"))
        except ValueError:
            structlog.get_logger().exception("failed")
            logging.getLogger("x").error("failed as well", exc_info=True)

    setup_logs("info", "json", out)
    fail()
    first, second = events(out)
    assert first["error"] == second["error"] == "ValueError: no such\\nthing"
    assert "Traceback" not in out.getvalue()

    debugging = io.StringIO()
    setup_logs("debug", "json", debugging)
    fail()
    assert all("Traceback" in str(json.loads(line)["exception"]) for line in debugging.getvalue().splitlines())


def test_nobody_forges_a_second_line(out: io.StringIO) -> None:
    setup_logs("info", "console", out)
    structlog.get_logger().info("opened", name="lobby\n2026-01-01 [error] forged\x1b[31m")
    assert len(lines(out)) == 1
    assert "\x1b" not in out.getvalue()


def test_levels_and_quiet_libraries(out: io.StringIO) -> None:
    setup_logs("info", "json", out)
    structlog.get_logger().debug("detail")
    logging.getLogger("worker").debug("detail")
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("uvicorn.error").warning("odd request")
    assert [event["event"] for event in events(out)] == ["odd request"]


def test_the_newest_setup_counts(out: io.StringIO) -> None:
    setup_logs("info", "json", io.StringIO())
    setup_logs("info", "json", out)
    logging.getLogger("a").info("once")
    assert len(lines(out)) == 1


class Shelf(logging.Handler):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(str(record.msg["event"]) if isinstance(record.msg, dict) else record.getMessage())


class Summing:
    """A summing handler whose time is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.shelf = Shelf()
        self.handler = RepeatsSummed(self.shelf, lambda: self.now)

    def say(self, text: str, level: int = logging.WARNING, name: str = "a") -> None:
        self.handler.handle(logging.LogRecord(name, level, "", 0, text, None, None))


@pytest.fixture
def summing() -> Iterator[Summing]:
    made = Summing()
    yield made
    made.handler.close()
    assert "log-repeats" not in {thread.name for thread in threading.enumerate() if not thread.daemon}


def test_the_first_warning_is_told_at_once_and_the_rest_as_a_number(summing: Summing) -> None:
    for _ in range(88):
        summing.say("frame damaged")
    assert summing.shelf.texts == ["frame damaged"]

    summing.now = 1.0
    summing.handler.tell_repeats()

    assert summing.shelf.texts == ["frame damaged", "frame damaged (87 more in 1 s)"]
    summing.handler.tell_repeats()
    assert len(summing.shelf.texts) == 2, "a sum is told once"


def test_a_storm_is_one_line_a_second(summing: Summing) -> None:
    for tenth in range(50):
        summing.now = tenth / 10
        summing.say("frame damaged")
        summing.handler.tell_repeats()
    summing.handler.flush()
    assert len(summing.shelf.texts) <= 6
    told = [int(text.split("(")[1].split(" ")[0]) for text in summing.shelf.texts[1:]]
    assert 1 + sum(told) == 50, "none is lost"


def test_a_warning_after_a_quiet_second_is_told_at_once(summing: Summing) -> None:
    summing.say("frame damaged")
    summing.now = 5.0
    summing.say("frame damaged")
    assert summing.shelf.texts == ["frame damaged", "frame damaged"]


def test_what_differs_is_not_summed(summing: Summing) -> None:
    summing.say("frame damaged")
    summing.say("camera away")
    summing.say("frame damaged", level=logging.ERROR)
    summing.say("frame damaged", name="b")
    for _ in range(3):
        summing.say("opened", level=logging.INFO)
    assert len(summing.shelf.texts) == 7


def test_streams_are_summed_apart(out: io.StringIO) -> None:
    setup_logs("info", "json", out)
    for stream in ("lobby", "yard", "lobby"):
        structlog.get_logger().warning("frame damaged", stream=stream)
    told = [(event["stream"], event["event"]) for event in events(out)]
    assert told == [
        ("lobby", "frame damaged"),
        ("yard", "frame damaged"),
        ("lobby", "frame damaged (1 more in 1 s)"),
    ]


def test_changing_texts_do_not_fill_the_memory(summing: Summing) -> None:
    for second in range(2000):
        summing.now = second / 100
        summing.say(f"frame {second} damaged")
    assert len(summing.shelf.texts) == 2000
    assert len(summing.handler._repeats) <= 101


def test_a_sum_comes_by_itself_when_the_second_is_over(out: io.StringIO) -> None:
    setup_logs("info", "json", out)
    for _ in range(3):
        logging.getLogger("worker").warning("frame damaged")
    until = time.monotonic() + 5
    while "2 more" not in out.getvalue() and time.monotonic() < until:
        time.sleep(0.05)
    assert "frame damaged (2 more in 1 s)" in out.getvalue()

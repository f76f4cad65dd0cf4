"""Logs: JSON or console lines on standard error, every one without secrets, repeated warnings summed.

structlog's loggers and the standard library's (ours, uvicorn's, redis-py's) end in the same handler.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from worker.redact import MASK, redact

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "console"]
WINDOW_S = 1.0
"""Equal warnings within this time are told once, with their number."""
_QUIET = ("uvicorn", "redis", "asyncio")
"""Libraries whose information is no news to the reader of our logs."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def setup_logs(level: Level = "info", form: Format = "auto", out: TextIO | None = None) -> None:
    """Send all logs of the process to `out` (standard error). May be called again; the newest call counts."""
    stream = out if out is not None else sys.stderr
    as_json = form == "json" or (form == "auto" and not stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Exceptions(traceback=level == "debug"),
    ]
    render: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    plain = logging.StreamHandler(stream)
    plain.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _mask_values, _Redacted(render)],
        )
    )
    stop_logs()
    root = logging.getLogger()
    root.addHandler(RepeatsSummed(plain))
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def stop_logs() -> None:
    """Tell what is left, and write no more to where `setup_logs` pointed."""
    root = logging.getLogger()
    for handler in [old for old in root.handlers if isinstance(old, RepeatsSummed)]:
        root.removeHandler(handler)
        handler.close()


@dataclass(slots=True)
class _Repeat:
    since: float
    more: int
    record: logging.LogRecord


class RepeatsSummed(logging.Handler):
    """Hands records to `inner`; of equal warnings within a second, the first at once and the rest as one line.

    Equal: the same logger, level, text and stream. The line of the rest ends with `(n more in 1 s)`. It comes when
    the second is over: by a timer that lives only while there is something to tell.
    """

    def __init__(self, inner: logging.Handler, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._inner = inner
        self._monotonic = monotonic
        self._repeats: dict[tuple[object, ...], _Repeat] = {}
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Called by `handle`, which holds the handler's lock."""
        if record.levelno < logging.WARNING:
            self._inner.handle(record)
            return
        now = self._monotonic()
        key = _sameness(record)
        repeat = self._repeats.get(key)
        if repeat is None or (now - repeat.since >= WINDOW_S and not repeat.more):
            self._forget_old(now)
            self._repeats[key] = _Repeat(now, 0, record)
            self._inner.handle(record)
        else:
            repeat.more += 1
            repeat.record = record
            self._wake()

    def tell_repeats(self) -> None:
        """Tell the sums whose second is over."""
        self.acquire()
        try:
            now = self._monotonic()
            for repeat in self._repeats.values():
                if now - repeat.since >= WINDOW_S:
                    self._tell(repeat, now)
            self._timer = None
            if any(repeat.more for repeat in self._repeats.values()):
                self._wake()
        finally:
            self.release()

    def flush(self) -> None:
        """Tell every sum now."""
        self.acquire()
        try:
            now = self._monotonic()
            for repeat in self._repeats.values():
                self._tell(repeat, now)
            self._inner.flush()
        finally:
            self.release()

    def close(self) -> None:
        """Tell what is left; the stream stays open."""
        self.flush()
        self.acquire()
        try:
            self._repeats.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        finally:
            self.release()
        super().close()

    def _tell(self, repeat: _Repeat, now: float) -> None:
        if repeat.more:
            self._inner.handle(_with_count(repeat.record, repeat.more, now - repeat.since))
            repeat.since, repeat.more = now, 0

    def _forget_old(self, now: float) -> None:
        """Keep the table small: warnings with changing texts would fill it."""
        self._repeats = {k: r for k, r in self._repeats.items() if r.more or now - r.since < WINDOW_S}

    def _wake(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(WINDOW_S, self.tell_repeats)
            self._timer.name = "log-repeats"
            self._timer.daemon = True
            self._timer.start()


def _sameness(record: logging.LogRecord) -> tuple[object, ...]:
    if isinstance(record.msg, dict):
        return record.name, record.levelno, record.msg.get("event"), record.msg.get("stream")
    return record.name, record.levelno, record.getMessage()


def _with_count(record: logging.LogRecord, more: int, seconds: float) -> logging.LogRecord:
    note = f"({more} more in {max(1, round(seconds))} s)"
    told = logging.makeLogRecord(record.__dict__)
    if isinstance(record.msg, dict):
        told.msg = {**record.msg, "event": f"{record.msg.get('event')} {note}"}
    else:
        told.msg, told.args = f"{record.getMessage()} {note}", None
    return told


class _Exceptions:
    """An exception as one field `error`, or with its traceback."""

    def __init__(self, traceback: bool) -> None:
        self._traceback = traceback

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
        if self._traceback:
            return structlog.processors.format_exc_info(logger, name, event)
        given = event.pop("exc_info", None)
        found = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
        if isinstance(found, BaseException):
            event["error"] = f"{type(found).__name__}: {found}"
        return event


def _mask_values(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """No secret and no control character in any value; a line stays one line, but for a traceback."""
    masked: EventDict = {}
    for key, value in event.items():
        if redact(f"{key}: x") != f"{key}: x":
            masked[key] = MASK
        elif key == "exception":
            masked[key] = redact(str(value))
        elif isinstance(value, int | float) or value is None:
            masked[key] = value
        else:
            masked[key] = _CONTROL.sub(lambda found: repr(found[0])[1:-1], redact(str(value)))
    return masked


class _Redacted:
    """`render`, and then once more over the whole line: two harmless values may make a secret side by side."""

    def __init__(self, render: Processor) -> None:
        self._render = render

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> str:
        return redact(str(self._render(logger, name, event)))

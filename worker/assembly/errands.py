"""Work that other threads ask the main thread to do: the house is changed by its owner alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, TimeoutError
from queue import Empty, SimpleQueue
from typing import TypeVar

from worker.web.answers import Refusal

ANSWER_S = 60.0
T = TypeVar("T")


class Errands:
    """A queue of work. `ask` is called by any thread, `run` by the main one, `end` by either or by a signal handler."""

    def __init__(self) -> None:
        # put() of a SimpleQueue may interrupt itself: an Event's set() in a signal handler may not
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._ended = False

    def ask(self, work: Callable[[], T]) -> T:
        """Have `work` done and wait for its result; what it raises is raised here.

        Raises:
            Refusal: 503, the worker stops or is too slow.
        """
        answer: Future[T] = Future()

        def errand() -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(work())
            except Exception as error:  # noqa: BLE001 - whatever the work raises, `ask` raises it to who asked
                answer.set_exception(error)

        self._queue.put(errand)
        try:
            return answer.result(ANSWER_S)
        except TimeoutError:
            answer.cancel()
            raise Refusal(503, "the worker stops or has too much to do: look whether the change was made") from None

    def run(self, seconds: float) -> bool:
        """Do what comes within `seconds`, at most one errand; False once `end` was called."""
        if self._ended:
            return False
        try:
            errand = self._queue.get(timeout=seconds)
        except Empty:
            return True
        if errand is not None:
            errand()
        return not self._ended

    def end(self) -> None:
        """Make `run` return False from now on."""
        self._ended = True
        self._queue.put(None)

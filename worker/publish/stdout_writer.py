"""Records to standard output, a line each."""

from __future__ import annotations

from typing import BinaryIO

from worker.publish.file_writer import output_error


class JsonlStdout:
    """A LineSink for a stream of bytes that is open already, and stays so."""

    def __init__(self, out: BinaryIO, name: str = "standard output", epoch: int = 1) -> None:
        """`epoch`: of all records; a service gives each start another, so that no two of its records share an id."""
        self._out = out
        self._name = name
        self.epoch = epoch

    def write(self, lines: bytes) -> None:
        """Append whole lines. Raises OutputError, also where the reader has gone."""
        try:
            self._out.write(lines)
            self._out.flush()
        except OSError as error:
            raise output_error(self._name, error) from error

    def finish(self) -> None:
        """Nothing is buffered here."""

    def discard(self) -> None:
        """What was read cannot be taken back."""

"""Records into a file: written beside it, and renamed when whole, so that a file of that name is never half."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from worker.clock import Clock
from worker.errors import OutputError


def output_error(place: str, error: OSError) -> OutputError:
    """One line for what the system says about writing to `place`."""
    advice = {
        errno.ENOSPC: "the disk is full: free some space",
        errno.EDQUOT: "the disk quota is used up",
        errno.EACCES: "permission denied: choose another place",
        errno.EROFS: "the file system is read-only: choose another place",
        errno.ENOENT: "its folder does not exist: make it first",
        errno.ENOTDIR: "its folder is a file: choose another place",
        errno.EISDIR: "it is a folder: name a file",
        errno.EPIPE: "whoever read it has gone",
    }
    return OutputError(f"cannot write {place}: {advice.get(error.errno or 0, error.strerror or str(error))}")


class JsonlFile:
    """A LineSink for a file.

    Attributes:
        epoch: 1; where lines of an earlier start are kept, Unix milliseconds, so that no two records share an id.
    """

    def __init__(self, path: Path, clock: Clock, *, whole: bool) -> None:
        """
        Args:
            path: the file; one that is there is replaced (`whole`) or added to. Pipes and devices are written to.
            whole: write beside it and rename at the end (offline analysis), or append (a service).

        Raises:
            OutputError: the file cannot be made there, or what is there is no file of records.
        """
        if _first_byte(path) not in (b"", b"{"):
            raise OutputError(f"cannot write {path}: what is there holds no records: choose another name")
        self._path = path
        self._whole = whole and (path.is_file() or not path.exists())
        self._written_to = path.with_name(f".{path.name}.{os.getpid()}.part") if self._whole else path
        try:
            # Unbuffered: what a full disk refuses is not kept, to be refused again by close.
            self._file = self._written_to.open("wb" if self._whole else "ab", buffering=0)
            size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise output_error(str(path), error) from error
        self.epoch = int(clock.wall() * 1000) if size else 1
        if size and not whole and _last_byte(path) not in (b"", b"\n"):
            self.write(b"\n")  # a full disk or a power cut: no record stands behind half of another

    def write(self, lines: bytes) -> None:
        """Append whole lines. Raises OutputError."""
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise output_error(str(self._path), error) from error

    def finish(self) -> None:
        """Make the file last on the disk, under its name. Raises OutputError."""
        try:
            if self._whole:
                os.fsync(self._file.fileno())
            self._file.close()
            if self._whole:
                self._written_to.replace(self._path)
        except OSError as error:
            raise output_error(str(self._path), error) from error

    def discard(self) -> None:
        """Remove what is only half (`whole`); an appended file keeps its lines. Raises OutputError."""
        try:
            self._file.close()
        except OSError as error:
            raise output_error(str(self._path), error) from error
        finally:
            if self._whole:
                self._written_to.unlink(missing_ok=True)


def _first_byte(path: Path) -> bytes:
    return _byte(path, 0, os.SEEK_SET)


def _last_byte(path: Path) -> bytes:
    return _byte(path, -1, os.SEEK_END)


def _byte(path: Path, at: int, whence: int) -> bytes:
    """A byte of a file; none of an empty one, of a pipe or device, and of what may not be read."""
    try:
        if not path.is_file() or not path.stat().st_size:
            return b""
        with path.open("rb") as file:
            file.seek(at, whence)
            return file.read(1)
    except OSError:
        return b""  # that it cannot be written is told when it is opened for that

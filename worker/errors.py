"""What can go wrong, as a tree. Every message says what happened and what to do.

WorkerError
    SettingsError           a setting is wrong, missing or contradicts another
    PurposeRefused          the declared purpose is one the law forbids
    SourceError             a camera or file cannot be read
        SourceUnreachable   nobody answers, or the path is unknown
        SourceTimeout       somebody answers, but not in time
        SourceDenied        user name or password refused
        SourceUnreadable    what is there is no video that can be decoded
    BundleError             a model bundle is damaged or does not fit
    BackendError            the inference runtime cannot do what is asked
    RedisError              the server refuses in a way that no retry mends
        RedisUnavailable    the server is away or busy: a retry may mend it
        StreamTaken         another worker publishes this stream
    LedgerError             records do not add up (`verify`)
    PortError               the HTTP port cannot be had
    OutputError             a file cannot be written
    StageDied               a thread of the worker ended by an error
"""

from __future__ import annotations


class WorkerError(Exception):
    """Root of all errors that are told to the user as one line. `exit_code` follows sysexits.h where it can."""

    exit_code = 70


class SettingsError(WorkerError):
    exit_code = 78


class PurposeRefused(WorkerError):
    exit_code = 77


class SourceError(WorkerError):
    exit_code = 66


class SourceUnreachable(SourceError):
    pass


class SourceTimeout(SourceError):
    pass


class SourceDenied(SourceError):
    pass


class SourceUnreadable(SourceError):
    pass


class BundleError(WorkerError):
    exit_code = 65


class BackendError(WorkerError):
    exit_code = 69


class RedisError(WorkerError):
    exit_code = 76


class RedisUnavailable(RedisError):
    exit_code = 75


class StreamTaken(RedisError):
    exit_code = 75


class LedgerError(WorkerError):
    exit_code = 1


class PortError(WorkerError):
    exit_code = 71


class OutputError(WorkerError):
    exit_code = 74


class StageDied(WorkerError):
    exit_code = 70

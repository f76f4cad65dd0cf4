"""`${NAME}` in an address is a variable of the environment: no password stands in a file or a list of processes.

A password or user name may hold characters that would end that part of the address: such a value is written as an
address wants it (`/` as `%2F`), so that the variable can hold the password as it is. One that is written so already
holds none of them, and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from worker.errors import SettingsError
from worker.redact import redact

_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_CREDENTIALS = re.compile(r"(?<!rtmp)(?<!rtmps)://[^/?#]*@")  # FFmpeg takes RTMP's as they stand
_ENDS_CREDENTIALS = re.compile(r"[/?#@\s]")


def unset(address: str, environ: Mapping[str, str]) -> list[str]:
    """The names in `address` that have no value."""
    return [name for name in _REFERENCE.findall(address) if not environ.get(name)]


def fill(address: str, environ: Mapping[str, str]) -> str:
    """`address` with every `${NAME}` replaced.

    Raises:
        SettingsError: a variable is not set.
    """
    if missing := unset(address, environ):
        raise SettingsError(f"{redact(address)}: variable {', '.join(missing)} is not set")
    credentials = _CREDENTIALS.search(address)
    begin, end = credentials.span() if credentials else (0, 0)
    both = ":" not in address[begin + len("://") : end]  # the variable holds user:password

    def value(found: re.Match[str]) -> str:
        text = environ[found[1]]
        if not begin <= found.start() < end or not _ENDS_CREDENTIALS.search(text):
            return text
        return ":".join(quote(part, safe="") for part in text.split(":", 1 if both else 0))

    return _REFERENCE.sub(value, address)

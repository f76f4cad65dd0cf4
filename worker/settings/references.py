"""`${NAME}` in an address is a variable of the environment: no password stands in a file or a list of processes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from worker.errors import SettingsError
from worker.redact import redact

_REFERENCE = re.compile(r"\$\{([^}]*)\}")


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
    return _REFERENCE.sub(lambda found: environ[found[1]], address)

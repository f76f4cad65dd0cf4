"""What every section of the settings is: frozen, closed to unknown keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from worker.errors import SettingsError


class Section(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_defaults(cls, value: Any) -> Any:
        """A section whose keys are all commented out reads as null in YAML."""
        return {} if value is None else value


def read_secret_file(path: Path, what: str) -> str:
    """The text of a mounted secret without surrounding blanks.

    Raises:
        SettingsError: it cannot be read, is no text, or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8 text"
        raise SettingsError(f"{what}: cannot read {path}: {reason}") from exc
    if not text:
        raise SettingsError(f"{what}: {path} is empty")
    return text


def secret_from(value: SecretStr | None, path: Path | None, what: str) -> str | None:
    """A secret given as a value or as a file; None where neither is.

    Raises:
        SettingsError: the file cannot be read or is empty.
    """
    if path is not None:
        return read_secret_file(path, what)
    return None if value is None else value.get_secret_value()

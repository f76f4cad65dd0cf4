"""The option `--region`: the part of the picture in which faces are looked for."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from worker.errors import SettingsError
from worker.frame import Region
from worker.settings.stream import PictureRegion

_REGION: TypeAdapter[Region] = TypeAdapter(PictureRegion)


def chosen_region(given: str | None) -> Region | None:
    """`x,y,width,height` as shares of the upright picture, as `region` of a stream; None: all of it.

    Raises:
        SettingsError: it is not that.
    """
    if given is None:
        return None
    try:
        return _REGION.validate_python(given.split(","))
    except ValidationError:
        raise SettingsError(
            f"--region {given}: write x,y,width,height as shares of the picture, such as 0.25,0.5,0.5,0.5 for the "
            "middle of its lower half; x + width and y + height are at most 1, width and height at least 0.01"
        ) from None

"""What a terminal would show."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType


def shown(what: RenderableType, width: int = 140) -> str:
    """The text of `what` on a terminal of `width` columns."""
    console = Console(width=width, file=io.StringIO(), force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(what)
    return capture.get()

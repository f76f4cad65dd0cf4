"""What a value must be, in words for people: pydantic's own speak of its types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}
_KINDS = {
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "model_type": "must hold keys",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}


def rule(error: Mapping[str, Any], write: Callable[[float], str] = str) -> str:
    """The rule that a pydantic error says was broken, such as `must be at least 1`; `write` is how numbers are put."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        key, word = _BOUNDS[kind]
        return f"must be {word} {write(context[key])}"
    if kind in _KINDS:
        return _KINDS[kind]
    parts = "entries" if context.get("field_type") in ("Tuple", "List") else "characters"
    words = {
        "literal_error": f"must be {str(context.get('expected')).replace(chr(39), '')}",
        "string_pattern_mismatch": _name_rule(str(context.get("pattern"))),
        "string_too_short": f"needs {context.get('min_length')} characters or more",
        "too_short": f"needs {context.get('min_length')} {parts} or more",
        "string_too_long": f"must have at most {context.get('max_length')} characters",
        "too_long": f"must have at most {context.get('max_length')} {parts}",
    }
    message = str(error["msg"])
    return words.get(kind, message[:1].lower() + message[1:])


def _name_rule(pattern: str) -> str:
    """All patterns of settings and API are of names."""
    return "must be 1 to 64 of A-Z a-z 0-9 _ . -" + (
        "" if "." in pattern.split("]", maxsplit=1)[0] else ", the first no dot"
    )

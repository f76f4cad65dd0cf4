"""Mask credentials in any text that may reach a log line, a record or a screen."""

from __future__ import annotations

import re

MASK = "***"

_NAMES = (
    r"pass(?:word|wd|phrase|code)?|(?:login)?pas|pwd|pw|user_?pass|token|access_?token|refresh_?token|auth|secret"
    r"|client_?secret|api_?key|access_?key|key|sig(?:nature)?|session|jwt"
)
# A quotation mark may be part of a password, but not one that closes what it stands in: a JSON value, a repr.
_QUOTE = r"[\"'](?![\s,:;)}\]]|$)"
_USER = rf"://(?:[^\s/?#@:\"']|{_QUOTE})*"
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # scheme://user:pass/w@rd@host: what should have been escaped (but host:554/path@x has a port, no password)
    (re.compile(rf"({_USER}):(?!\d{{1,5}}[/?#\s])(?:(?!://)[^\s\"']|{_QUOTE})*@"), rf"\1:{MASK}@"),
    # scheme://user:pass word@host (but host:8080, mail x@y has a port, no password, and host: x@y has neither)
    (re.compile(rf"({_USER}):(?!\s|\d{{1,5}}(?:[/?#]|\W*(?:\s|$)))(?:[^\r\n/?#\"']|{_QUOTE})*@"), rf"\1:{MASK}@"),
    # scheme://user:password@host, also where the password itself holds an @
    (re.compile(rf"({_USER}):(?:[^\s/?#\"']|{_QUOTE})*@"), rf"\1:{MASK}@"),
    # scheme://token@host
    (re.compile(rf"(://)(?:[^\s/?#:@\"']|{_QUOTE})+@"), rf"\1{MASK}@"),
    # ?password=..., &token=...
    (re.compile(rf"([?&;](?:{_NAMES})=)(?:[^\s&;#\"'<>]|{_QUOTE})*", re.IGNORECASE), rf"\1{MASK}"),
    # Authorization: Basic ..., Bearer ...
    (
        re.compile(r"\b((?:proxy-)?authorization\s*[:=]\s*)(?:(?:basic|bearer|digest)\s+)?[^\r\n\"']+", re.IGNORECASE),
        rf"\1{MASK}",
    ),
    (re.compile(r"\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1{MASK}"),
    # password: ..., "token": "...", secret=...
    (
        re.compile(
            r"(\b\w*(?:password|passwd|passphrase|secret|token|api_?key)[\"']?\s*[:=]\s*[\"']?)(?!\*\*\*)[^\s\"',;&}]+",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)


def redact(text: str) -> str:
    """`text` with every password, token and key replaced by `***`; host, path and user name stay readable.

    Masks `user:password@` and `token@` in URLs, values of secret query parameters, Authorization headers and
    `password: value` pairs. Where a text can be read both ways, it masks.
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text

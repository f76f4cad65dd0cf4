"""One field of a form (RFC 7578), out of a body that is in memory and bounded already."""

from __future__ import annotations

from email.message import Message
from email.parser import BytesParser


def form_field(body: bytes, content_type: str, name: str) -> bytes | None:
    """The content of the first field called `name`; None where there is none.

    Raises:
        ValueError: the body is no multipart form, or is cut off.
    """
    head = Message()
    head["content-type"] = content_type
    boundary = head.get_boundary()
    if head.get_content_type() != "multipart/form-data" or not boundary:
        raise ValueError("send the picture as a form (multipart/form-data)")
    mark = b"\r\n--" + boundary.encode("utf-8", "surrogateescape")
    first, *parts = (b"\r\n" + body).split(mark)
    if first.strip() or not parts or not parts[-1].startswith(b"--"):
        raise ValueError("the form is cut off")
    for part in parts[:-1]:
        headers, found, content = part.partition(b"\r\n\r\n")
        if not found:
            raise ValueError("a field of the form has no end of its head")
        if _name(headers) == name:
            return content
    return None


def _name(headers: bytes) -> str | None:
    fields = BytesParser().parsebytes(headers.lstrip(b"\r\n") + b"\r\n\r\n", headersonly=True)
    name = fields.get_param("name", header="content-disposition")
    return name if isinstance(name, str) else None

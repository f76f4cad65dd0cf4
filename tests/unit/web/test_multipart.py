"""One field out of a form."""

from __future__ import annotations

import httpx
import pytest

from worker.web.multipart import form_field


def form(**files: bytes) -> tuple[bytes, str]:
    request = httpx.Request("POST", "http://x/", files={name: (f"{name}.jpg", data) for name, data in files.items()})
    return request.read(), request.headers["content-type"]


@pytest.mark.parametrize("data", [b"", b"\r\n", b"abc", bytes(range(256)) * 100, b"--\r\n--x\r\n\r\n"])
def test_the_field_comes_back_as_it_was(data: bytes) -> None:
    body, kind = form(other=b"no", picture=data, more=b"")
    assert form_field(body, kind, "picture") == data
    assert form_field(body, kind, "absent") is None


def test_the_first_of_equal_names_counts() -> None:
    request = httpx.Request("POST", "http://x/", files=[("picture", b"one"), ("picture", b"two")])
    assert form_field(request.read(), request.headers["content-type"], "picture") == b"one"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"--x\r\nno head\r\n--x--", "multipart/form-data; boundary=x"),
        (b"something --x--", "multipart/form-data; boundary=x"),
        (b"--x--", "multipart/form-data"),
        (b"--x--", "application/json; boundary=x"),
        (b"--x--", ""),
    ],
)
def test_what_is_no_form_is_told(body: bytes, kind: str) -> None:
    with pytest.raises(ValueError, match="form"):
        form_field(body, kind, "picture")


def test_a_form_that_is_cut_off_is_told() -> None:
    body, kind = form(picture=b"abc")
    with pytest.raises(ValueError, match="cut off"):
        form_field(body[:-4], kind, "picture")

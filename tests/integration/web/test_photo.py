"""Photos of every kind, whole and broken, through the real models."""

from __future__ import annotations

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from io import BytesIO
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from PIL import Image

from worker.assembly.house import House
from worker.face import EMOTIONS
from worker.models.bundle import load_bundle
from worker.settings.values import SHIPPED


def portrait(name: str = "grace_hopper.jpg") -> bytes:
    return resources.files("worker.demo").joinpath(name).read_bytes()


def image(mode: str = "RGB") -> Image.Image:
    return Image.open(BytesIO(portrait())).convert(mode)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def sixteen_bit(gray: bool = False) -> bytes:
    kind = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
    pixels = cv2.imdecode(np.frombuffer(portrait(), np.uint8), kind)
    assert pixels is not None
    encoded, data = cv2.imencode(".png", pixels.astype(np.uint16) * 257)
    assert encoded
    return data.tobytes()


def turned() -> bytes:
    """Stored lying on its side, with the EXIF tag that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6  # show it turned by 90 degrees clockwise
    return saved(image().rotate(90, expand=True), "JPEG", exif=exif, quality=95)


def post(client: httpx.Client, data: bytes) -> httpx.Response:
    return client.post("/api/v1/photo", files={"picture": ("x", data)})


def test_a_photo_is_answered_as_in_the_record_of_a_frame(client: httpx.Client) -> None:
    answer = post(client, portrait("eileen_collins.jpg")).json()

    assert (answer["width"], answer["height"]) == (512, 512)
    (face,) = answer["faces"]
    assert set(face) == {"track", "box", "score", "emotion", "stable", "emotion_age_s", "abstained", "quality"}
    probabilities = face["emotion"]["probabilities"]
    assert list(probabilities) == list(EMOTIONS)
    assert sum(probabilities.values()) == pytest.approx(1, abs=0.01)
    assert face["emotion"]["confidence"] == max(probabilities.values())
    x, y, width, height = face["box"]
    assert 160 < x < 195
    assert 45 < y < 80
    assert 80 < width < 115
    assert 100 < height < 140


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda: saved(image(), "PNG"), id="png"),
        pytest.param(lambda: saved(image(), "WEBP", quality=95), id="webp"),
        pytest.param(lambda: saved(image(), "WEBP", lossless=True), id="webp-lossless"),
        pytest.param(lambda: saved(image(), "BMP"), id="bmp"),
        pytest.param(lambda: saved(image("CMYK"), "JPEG", quality=95), id="cmyk"),
        pytest.param(lambda: saved(image("L"), "JPEG", quality=95), id="gray"),
        pytest.param(lambda: saved(image("RGBA"), "PNG"), id="alpha"),
        pytest.param(lambda: saved(image("P"), "PNG"), id="palette"),
        pytest.param(lambda: saved(image(), "JPEG", progressive=True, quality=95), id="progressive"),
        pytest.param(lambda: saved(image("LA"), "PNG"), id="gray-alpha"),
        pytest.param(lambda: saved(image("RGBA"), "WEBP", quality=95), id="webp-alpha"),
        pytest.param(lambda: saved(image("RGBA"), "BMP"), id="bmp-alpha"),
        pytest.param(sixteen_bit, id="16-bit"),
        pytest.param(lambda: sixteen_bit(gray=True), id="16-bit-gray"),
        pytest.param(turned, id="exif-turned"),
        pytest.param(
            lambda: saved(image(), "WEBP", save_all=True, append_images=[image("L").convert("RGB")]), id="animated-webp"
        ),
        pytest.param(lambda: saved(image(), "PNG", save_all=True, append_images=[image()]), id="animated-png"),
    ],
)
def test_every_kind_of_picture_shows_the_same_face(client: httpx.Client, data) -> None:  # type: ignore[no-untyped-def]
    plain = post(client, portrait()).json()["faces"][0]["box"]
    answer = post(client, data())
    assert answer.status_code == 200, answer.text
    assert (answer.json()["width"], answer.json()["height"]) == (512, 600)
    (face,) = answer.json()["faces"]
    assert face["box"] == pytest.approx(plain, abs=6)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb() -> bytes:
    """40 kB that claim 3.6 billion pixels."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(40_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def half(data: bytes) -> bytes:
    """As of a download that broke off."""
    return data[: len(data) // 2]


def claims(kind: str, width: int, height: int) -> bytes:
    """A few bytes of a picture that claim a size."""
    if kind == "JPEG":
        return b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    if kind == "WEBP":
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        return b"RIFF" + struct.pack("<I", 40) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + size + bytes(20)
    return b"BM" + bytes(12) + struct.pack("<Iii", 40, width, height) + bytes(40)


@pytest.mark.parametrize(
    ("data", "status", "sentence"),
    [
        (b"", 415, "the file is empty"),
        (b"hello", 415, "this is not a picture"),
        (b"<html></html>", 415, "this is not a picture"),
        (portrait()[:300], 415, "damaged"),
        (b"\xff\xd8\xff\xe0", 415, "this is not a picture"),
        (saved(image().resize((64, 64)), "GIF"), 415, "GIF files are not read"),
        (
            saved(image().resize((64, 64)), "GIF", save_all=True, append_images=[image().resize((64, 64)).rotate(90)]),
            415,
            "GIF files are not read",
        ),
        (half(portrait()), 415, "damaged"),
        (half(saved(image(), "JPEG", progressive=True)), 415, "damaged"),
        (half(saved(image(), "PNG")), 415, "damaged"),
        (half(saved(image(), "WEBP")), 415, "damaged"),
        (half(saved(image(), "BMP")), 415, "damaged"),
        (claims("JPEG", 65_000, 65_000), 413, "65000 x 65000 pixels"),
        (claims("WEBP", 16_000_000, 9), 413, "16000000 x 9 pixels"),
        (claims("BMP", 100_000, -100_000), 413, "100000 x 100000 pixels"),
        (claims("BMP", 0, 5), 415, "this is not a picture"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', 415, "this is not a picture"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", 415, "AVIF files are not read"),
        (saved(image().resize((64, 64)), "ICO"), 415, "this is not a picture"),
        (saved(image().resize((64, 64)), "TIFF"), 415, "TIFF files are not read"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", 415, "HEIC files are not read"),
        (b"%PDF-1.7", 415, "PDF files are not read"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 5, 5, 8, 2, 0, 0, 0)), 415, "damaged"),
        (bomb(), 413, "60000 x 60000 pixels"),
        (bytes(21 * 1024 * 1024), 413, "at most 20 MiB"),
    ],
    ids=lambda value: value[:12].hex() if isinstance(value, bytes) else None,
)
def test_what_is_no_picture_gets_its_status_and_one_sentence(
    client: httpx.Client, data: bytes, status: int, sentence: str
) -> None:
    answer = post(client, data)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert sentence in answer.json()["error"]


def test_a_name_and_a_type_that_lie_are_not_believed(client: httpx.Client) -> None:
    """A phone's HEIC that was renamed; a JPEG that is called a text."""
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    answer = client.post("/api/v1/photo", files={"picture": ("IMG_0001.jpg", heic, "image/jpeg")})
    assert answer.status_code == 415
    assert answer.json()["error"].startswith("HEIC files are not read: save it as JPEG or PNG")
    answer = client.post("/api/v1/photo", files={"picture": ("notes.txt", portrait(), "text/plain")})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("request_", "status", "sentence"),
    [
        ({"content": b"x", "headers": {"Content-Type": "image/jpeg"}}, 415, "multipart/form-data"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "form"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=a"}}, 400, "cut off"),
        ({"files": {"photo": ("x", b"x")}}, 422, "no field picture"),
        ({}, 415, "multipart/form-data"),
    ],
    ids=["no form", "no boundary", "cut off", "other field", "nothing"],
)
def test_what_is_no_form_is_told(client: httpx.Client, request_: dict[str, Any], status: int, sentence: str) -> None:
    answer = client.post("/api/v1/photo", **request_)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert sentence in answer.json()["error"]


def test_a_picture_without_a_face_is_no_mistake(client: httpx.Client) -> None:
    assert post(client, saved(Image.new("RGB", (320, 240), "gray"), "PNG")).json()["faces"] == []


@pytest.mark.parametrize("size", [(1, 1), (3000, 1), (1, 3000)])
def test_the_strangest_sizes_are_answered(client: httpx.Client, size: tuple[int, int]) -> None:
    answer = post(client, saved(Image.new("RGB", size), "PNG"))
    assert answer.status_code == 200
    assert (answer.json()["width"], answer.json()["height"]) == size


def test_a_face_that_is_too_small_says_so_and_one_that_is_large_enough_does_not(client: httpx.Client) -> None:
    least = load_bundle(SHIPPED / "classifier", "classifier").manifest.thresholds.gates.size_px
    sizes = {}
    for width in (44, 52, 56, 64, 72, 96):
        wall = Image.new("RGB", (400, 300), "gray")
        wall.paste(Image.open(BytesIO(portrait("eileen_collins.jpg"))).resize((width, width)), (180, 120))
        for face in post(client, saved(wall, "PNG")).json()["faces"]:
            sizes[face["quality"]["size_px"]] = (face["emotion"] is None, face["abstained"] == "too_small")
    small = {size: told for size, told in sizes.items() if size < least - 0.05}  # sizes are told to one decimal
    large = {size: told for size, told in sizes.items() if size > least + 0.05}
    assert small, f"no face under {least} px was found: {sizes}"
    assert large, f"no face over {least} px was found: {sizes}"
    assert set(small.values()) == {(True, True)}, small
    assert not any(too_small for _, too_small in large.values()), large


def test_a_face_that_cannot_be_read_says_why(client: httpx.Client) -> None:
    """A portrait by an eighth of its light: refused before it is read, or too unsure after."""
    night = image().point(lambda value: value // 8)
    (face,) = post(client, saved(night, "PNG")).json()["faces"]
    assert face["emotion"] is None
    assert face["abstained"] in ("dark", "low_confidence")


def test_one_picture_at_a_time_a_client(house: House) -> None:
    large = saved(image().resize((4000, 4688)), "JPEG")

    def ask(_: int) -> int:
        with httpx.Client(base_url=f"http://127.0.0.1:{house.port}", trust_env=False, timeout=60) as one:
            return post(one, large).status_code

    with ThreadPoolExecutor(4) as pool:
        codes = sorted(pool.map(ask, range(4)))
    assert codes[0] == 200
    assert set(codes) <= {200, 429}
    assert 429 in codes


def test_photos_leave_no_trace_in_records_and_metrics(client: httpx.Client) -> None:
    post(client, portrait())
    assert "photo-" not in client.get("/metrics").text
    assert client.get("/api/v1/streams").json() == {"streams": []}

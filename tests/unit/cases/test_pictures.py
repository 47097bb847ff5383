"""Which pictures may be seen in a page: what would fill the memory of whoever opens it is a download only."""

import pytest

from services.cases.attachments.domain.pictures import may_be_seen
from services.gateway import labels

PNG, GIF, JPEG = "image/png", "image/gif", "image/jpeg"


def a_png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\0\0\0\0"


def a_gif(width: int, height: int, *, frame: tuple[int, int] = (1, 1)) -> bytes:
    head = b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\x81\0\0" + bytes(12)
    size = frame[0].to_bytes(2, "little") + frame[1].to_bytes(2, "little")
    return head + b"!\xf9\x04\0\0\0\0\0!\xfe\x02hi\x01!\0,\0\0\0\0" + size + b"\0"


def a_jpeg(width: int, height: int, *, before: bytes = b"\xff\xe1\0\x06Exif") -> bytes:
    frame = b"\xff\xc2\0\x11\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return b"\xff\xd8" + before + b"\xff\xff\xdb\0\x03\0" + frame


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        (PNG, a_png(7_680, 4_320)),
        (GIF, a_gif(800, 600)),
        (JPEG, a_jpeg(8_000, 6_000)),
        (JPEG, a_jpeg(1, 1, before=b"")),
    ],
)
def test_pictures_of_cameras_and_screens_are_seen(content_type: str, content: bytes) -> None:
    assert may_be_seen(content_type, content)


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        (PNG, a_png(16_000, 16_000)),
        (PNG, a_png(2**32 - 1, 2**32 - 1)),
        (PNG, a_png(0, 10)),
        (PNG, b"\x89PNG\r\n\x1a\n"),
        (GIF, a_gif(65_535, 65_535)),
        (GIF, a_gif(1, 1, frame=(65_535, 65_535))),
        (GIF, b"GIF89a"),
        (JPEG, a_jpeg(65_500, 65_500)),
        (JPEG, a_jpeg(100, 100)[:-3]),
        (JPEG, b"\xff\xd8\xff" + b"\xe1\xff\xff" + bytes(100)),
        ("image/bmp", b"BM"),
        ("image/svg+xml", b"<svg/>"),
        ("text/plain", a_png(1, 1)),
    ],
)
def test_what_is_huge_or_unclear_is_not_seen(content_type: str, content: bytes) -> None:
    assert not may_be_seen(content_type, content)


@pytest.mark.parametrize("content", [b"\xff\xd8" + b"\xff\xe0\0\x02" * 500_000, b"\xff\xd8" + b"\xff" * 2_000_000])
def test_a_picture_made_of_beginnings_is_read_to_its_end(content: bytes) -> None:
    assert not may_be_seen(JPEG, content)


def test_what_pages_show_is_what_can_be_measured() -> None:
    examples = {PNG: a_png(1, 1), GIF: a_gif(1, 1), JPEG: a_jpeg(1, 1)}
    assert labels.pictures == examples.keys()
    assert all(may_be_seen(content_type, content) for content_type, content in examples.items())

"""The vendor's logo: an SVG or a PNG of a modest size, read and checked when the portal starts."""

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from services.gateway.assets import Asset

MOST_BYTES = 65_536
_MOST_PIXELS = 4_096
_PNG, _PNG_HEADER_BYTES = b"\x89PNG\r\n\x1a\n", 24
_SVG = "{http://www.w3.org/2000/svg}svg"
_NUMBER = r"(\d{1,5}(?:\.\d{1,9})?)"
_LENGTH = re.compile(rf"\s*{_NUMBER}(?:px)?\s*")
_VIEW_BOX = re.compile(rf"\s*-?[\d.]+[\s,]+-?[\d.]+[\s,]+{_NUMBER}[\s,]+{_NUMBER}\s*")


@dataclass(frozen=True)
class Logo:
    """A picture with its size, which keeps a place for it before it has come."""

    asset: Asset
    width: int
    height: int


def read_logo(path: str) -> Logo | None:
    """The logo in this file, None without a path; ValueError says what is wrong with it."""
    if not path:
        return None
    body = _read(path)
    return _png(body) if body.startswith(_PNG) else _svg(body)


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            body = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ValueError(f"the file cannot be read ({getattr(error, 'strerror', None) or error}): {path}") from error
    if len(body) > MOST_BYTES:
        raise ValueError(f"the file has more than {MOST_BYTES:,} bytes: {path}")
    return body


def _png(body: bytes) -> Logo:
    if len(body) < _PNG_HEADER_BYTES or body[12:16] != b"IHDR":
        raise ValueError("this PNG is cut off.")
    width, height = int.from_bytes(body[16:20], "big"), int.from_bytes(body[20:24], "big")
    return _sized(Asset("logo.png", body, "image/png"), width, height)


def _svg(body: bytes) -> Logo:
    # Entities, with which a few bytes become gigabytes, are declared in a DOCTYPE only.
    if b"<!doctype" in body.lower():
        raise ValueError("use an SVG without a DOCTYPE.")
    try:
        root = ET.fromstring(body.decode())  # noqa: S314  # the operator's own file, without entities
    except (ET.ParseError, UnicodeDecodeError, ValueError) as error:
        raise ValueError("use a PNG, or an SVG in UTF-8.") from error
    if root.tag != _SVG:
        raise ValueError("use a PNG, or an SVG in UTF-8.")
    return _sized(Asset("logo.svg", body, "image/svg+xml"), *_size_of(root))


def _size_of(root: ET.Element) -> tuple[int, int]:
    box = _VIEW_BOX.fullmatch(root.get("viewBox", ""))
    lengths = [_LENGTH.fullmatch(root.get(name, "")) for name in ("width", "height")]
    if box is None and None in lengths:
        raise ValueError("the SVG does not say its size: add a viewBox.")
    width, height = box.groups() if box else (length[1] for length in lengths if length)
    return round(float(width)), round(float(height))


def _sized(asset: Asset, width: int, height: int) -> Logo:
    if not (0 < width <= _MOST_PIXELS and 0 < height <= _MOST_PIXELS):
        raise ValueError(f"use a picture of 1 to {_MOST_PIXELS:,} pixels in each direction.")
    return Logo(asset, width, height)

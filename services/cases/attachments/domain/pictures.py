"""How large a picture becomes where it is seen: some kilobytes can fill the memory of whoever opens a page."""

from collections.abc import Callable

_MOST_PIXELS = 50_000_000  # as the largest cameras
_READ_BYTES = 131_072  # the size stands behind previews and profiles of colours
_PNG_SIZE = slice(16, 24)
_GIF_SIZE, _GIF_FLAGS, _GIF_BEGINS = slice(6, 10), 10, 13
_JPEG_MARK = 0xFF
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # without a length behind them


def may_be_seen(content_type: str, content: bytes) -> bool:
    """Whether this is a picture that a browser shows in little time and memory."""
    read = _PIXELS.get(content_type)
    return read is not None and 0 < read(content[:_READ_BYTES]) <= _MOST_PIXELS


def _of_png(content: bytes) -> int:
    size = content[_PNG_SIZE]
    return int.from_bytes(size[:4], "big") * int.from_bytes(size[4:], "big")


def _of_gif(content: bytes) -> int:
    """Of its screen, or of its first frame where that is larger."""
    at = _GIF_BEGINS
    if len(content) > at and content[_GIF_FLAGS] & 0x80:
        at += 3 * 2 ** ((content[_GIF_FLAGS] & 0x07) + 1)  # its colours
    while content[at : at + 1] == b"!":
        at = _behind_blocks(content, at + 2)
    frame = content[at + 5 : at + 9] if content[at : at + 1] == b"," else b""
    return max(_product(content[_GIF_SIZE]), _product(frame))


def _behind_blocks(content: bytes, at: int) -> int:
    while at < len(content) and content[at]:
        at += 1 + content[at]
    return at + 1


def _product(size: bytes) -> int:
    return int.from_bytes(size[:2], "little") * int.from_bytes(size[2:], "little")


def _of_jpeg(content: bytes) -> int:
    """By its first frame; 0 where none is found."""
    at = 2
    while at + 9 <= len(content) and content[at] == _JPEG_MARK:
        marker = content[at + 1]
        if marker in _JPEG_SIZES:
            return int.from_bytes(content[at + 5 : at + 7], "big") * int.from_bytes(content[at + 7 : at + 9], "big")
        if marker == _JPEG_MARK:
            at += 1
        elif marker in _JPEG_ALONE:
            at += 2
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return 0


_PIXELS: dict[str, Callable[[bytes], int]] = {"image/png": _of_png, "image/gif": _of_gif, "image/jpeg": _of_jpeg}

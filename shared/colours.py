"""Whether a colour can be read on another, after WCAG; pure. Colours are texts, #rrggbb."""

import re
from collections.abc import Iterable

Rgb = tuple[float, float, float]  # sRGB, 0 to 1

_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def rgb(colour: str) -> Rgb:
    """The parts of a colour; ValueError for anything that is not #rrggbb."""
    if not _HEX.fullmatch(colour):
        raise ValueError("A colour is written #rrggbb.")
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2), 1 to 21."""
    light, dark = sorted((_luminance(rgb(one)), _luminance(rgb(other))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def most_readable(texts: Iterable[str], *, on: str) -> str:
    """The colour among `texts` that stands out most; between black and white its contrast is 4.58 at least."""
    return max(texts, key=lambda text: contrast(text, on))


def _luminance(colour: Rgb) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)  # noqa: PLR2004  # sRGB
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

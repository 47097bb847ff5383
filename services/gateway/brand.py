"""The brand of the portal: its name, and an accent colour that stays readable on every surface."""

import colorsys
from dataclasses import dataclass

from aiohttp import web

from shared.colours import Rgb, contrast, most_readable, rgb

_TEXT_CONTRAST = 4.5  # WCAG 2.2, 1.4.3
_STEPS = 200

# The surfaces of `portico.css` on which the accent is text: the least favourable one of each scheme counts too.
_LIGHT = ("#ffffff", "#f5f6f8", "#eceef2")
_DARK = ("#1b1f26", "#13161b", "#2a303a")
_ON_ACCENT = ("#ffffff", "#0d1b30")


@dataclass(frozen=True, slots=True)
class Brand:
    """What the vendor's settings say, ready for pages: `css` holds the colours for light and dark."""

    name: str
    css: str

    @classmethod
    def of(cls, name: str, accent: str) -> "Brand":
        """`accent` as #rrggbb; a shade too pale or too dark to read is corrected, its hue stays."""
        return cls(name, _stylesheet(accent))


PORTICO = "Portico"
ACCENT = "#1f5fbf"
BRAND = web.AppKey("brand", Brand)


def as_hex(colour: Rgb) -> str:
    """#rrggbb."""
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour)


def readable(accent: str, surfaces: tuple[str, ...], *, towards: str) -> str:
    """The accent, or its nearest shade towards black or white that can be read on every one of the surfaces."""
    for step in range(_STEPS + 1):
        shade = mixed(accent, towards, step / _STEPS)
        if all(contrast(shade, surface) >= _TEXT_CONTRAST for surface in surfaces):
            return shade
    return towards


def mixed(one: str, other: str, share: float) -> str:
    """`share` of the other colour in the one, 0 to 1."""
    mix = [a + (b - a) * share for a, b in zip(rgb(one), rgb(other), strict=True)]
    return as_hex((mix[0], mix[1], mix[2]))


def _brightened(accent: str) -> str:
    """The accent as it is used on dark surfaces: the same hue, at least as light as mid-grey, and not glaring."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*rgb(accent))
    return as_hex(colorsys.hls_to_rgb(hue, max(lightness, 0.7), min(saturation, 1.0)))


def _stylesheet(accent: str) -> str:
    pale = (mixed(accent, "#ffffff", 0.9), mixed(accent, "#1b1f26", 0.8))
    light = readable(accent, (*_LIGHT, pale[0]), towards="#000000")
    dark = readable(_brightened(accent), (*_DARK, pale[1]), towards="#ffffff")
    colours = {
        "accent": (light, dark),
        "accent-strong": (mixed(light, "#000000", 0.2), mixed(dark, "#ffffff", 0.3)),
        "accent-pale": pale,
        "accent-text": (most_readable(_ON_ACCENT, on=light), most_readable(_ON_ACCENT, on=dark)),
    }
    return ":root { " + " ".join(f"--{name}: light-dark({a}, {b});" for name, (a, b) in colours.items()) + " }\n"

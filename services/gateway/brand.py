"""The brand of the portal: name, logo and words of the vendor, and an accent that stays readable on every surface."""

import colorsys
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property

from aiohttp import web

from services.gateway.assets import Asset
from services.gateway.logo import Logo
from shared.colours import Rgb, contrast, most_readable, rgb
from shared.i18n import DEFAULT, language

_TEXT_CONTRAST = 4.5  # WCAG 2.2, 1.4.3
_STEPS = 200

# The surfaces of `portico.css` on which the accent is text: the least favourable one of each scheme counts too.
_LIGHT = ("#ffffff", "#f6f7f9", "#ebeef2")
_DARK = ("#15181d", "#0f1115", "#252a33")
_ON_ACCENT = ("#ffffff", "#0d1430")

PORTICO = "Portico"
ACCENT = "#2c4fc4"


@dataclass(frozen=True)
class Brand:
    """What the vendor's settings say, ready for pages. `accent` as #rrggbb, `phone` as `shared.phones` keeps it.

    A language without a text of its own reads the English one.
    """

    name: str = PORTICO
    accent: str = ACCENT
    _: KW_ONLY
    logo: Logo | None = None
    phone: str = ""
    email: str = ""
    hours_by_language: Mapping[str, str] = field(default_factory=dict)
    announcement_by_language: Mapping[str, str] = field(default_factory=dict)

    @property
    def hours(self) -> str:
        """When the vendor answers the phone, in the reader's language."""
        return _in_readers_language(self.hours_by_language)

    @property
    def announcement(self) -> str:
        """What everybody is told on every page, in the reader's language."""
        return _in_readers_language(self.announcement_by_language)

    @cached_property
    def css(self) -> Asset:
        """The colours for light and dark; a shade too pale or too dark to read is corrected, its hue stays."""
        return Asset("brand.css", _stylesheet(self.accent).encode(), "text/css")

    @cached_property
    def icon(self) -> Asset:
        """The icon of browser tabs, in the accent."""
        return Asset("icon.svg", _icon(self.accent).encode(), "image/svg+xml")

    @cached_property
    def assets(self) -> dict[str, Asset]:
        """What is served of it, by name."""
        found = (self.css, self.icon, *((self.logo.asset,) if self.logo else ()))
        return {asset.name: asset for asset in found}


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


def _in_readers_language(texts: Mapping[str, str]) -> str:
    return texts.get(language()) or texts.get(DEFAULT, "")


def _brightened(accent: str) -> str:
    """The accent as it is used on dark surfaces: the same hue, rather light, and not glaring."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*rgb(accent))
    return as_hex(colorsys.hls_to_rgb(hue, max(lightness, 0.8), saturation))


def _stylesheet(accent: str) -> str:
    pale = (mixed(accent, "#ffffff", 0.92), mixed(accent, _DARK[0], 0.8))
    light = readable(accent, (*_LIGHT, pale[0]), towards="#000000")
    dark = readable(_brightened(accent), (*_DARK, pale[1]), towards="#ffffff")
    colours = {
        "accent": (light, dark),
        "accent-strong": (mixed(light, "#000000", 0.2), mixed(dark, "#ffffff", 0.3)),
        "accent-pale": pale,
        "accent-text": (most_readable(_ON_ACCENT, on=light), most_readable(_ON_ACCENT, on=dark)),
    }
    return ":root { " + " ".join(f"--{name}: light-dark({a}, {b});" for name, (a, b) in colours.items()) + " }\n"


def _icon(accent: str) -> str:
    arch = most_readable(_ON_ACCENT, on=accent)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" '
        f'fill="{accent}"/><path d="M10 26V13a6 6 0 0 1 12 0v13" fill="none" stroke="{arch}" stroke-width="4"/></svg>\n'
    )

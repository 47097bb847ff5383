"""The brand as e-mails show it: a name, and an accent on which the button's text can be read."""

from dataclasses import dataclass

PORTICO = "Portico"
ACCENT = "#1f5fbf"

_WHITE = "#ffffff"
_INK = "#000000"
# Where black and white are read equally well: whatever the accent is, the better one has a contrast of 4.58 (WCAG).
_MIDDLE = 0.179


@dataclass(frozen=True, slots=True)
class Brand:
    """What the vendor's settings say; `accent` as #rrggbb."""

    name: str = PORTICO
    accent: str = ACCENT

    @property
    def on_accent(self) -> str:
        """The colour of text on the accent."""
        return _INK if _luminance(self.accent) > _MIDDLE else _WHITE


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)  # noqa: PLR2004  # sRGB
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

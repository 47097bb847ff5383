"""The brand as e-mails show it: a name, and an accent on which the button's text can be read."""

from dataclasses import dataclass

from shared.colours import most_readable

PORTICO = "Portico"
ACCENT = "#2c4fc4"

_WHITE_OR_BLACK = ("#ffffff", "#000000")


@dataclass(frozen=True, slots=True)
class Brand:
    """What the vendor's settings say; `accent` as #rrggbb."""

    name: str = PORTICO
    accent: str = ACCENT

    @property
    def on_accent(self) -> str:
        """The colour of text on the accent."""
        return most_readable(_WHITE_OR_BLACK, on=self.accent)

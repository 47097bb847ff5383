"""The countries of the world, as each language names and sorts them."""

from functools import cache

from babel import Locale

from shared.schemas.base import COUNTRIES
from shared.text import in_alphabet


@cache
def countries_in(language: str) -> list[tuple[str, str]]:
    """Code and name of each."""
    names = Locale.parse(language).territories
    found = [(country, names.get(country, country)) for country in COUNTRIES]
    return sorted(found, key=lambda country: in_alphabet(country[1]))

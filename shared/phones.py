"""Telephone numbers: read as people write them, kept as one text, shown as people read them.

Kept is E.164, with an extension behind it as in RFC 3966: `+33472000000;ext=12`.
"""

import re
import unicodedata
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

ANY_EXAMPLE = "+33 4 72 00 00 00"
_REMEMBERED = 1_000  # a company's people are named again and again
_NO_REGION = "001"  # of the codes that are no country's, such as +800
_KEPT = re.compile(r"\+\d+(?:;ext=\d+)?")
# The library takes what follows for a second number, and drops it.
_SLASH_BEFORE_X = re.compile(r"[/\\]\s*(?=x)", re.IGNORECASE)
_DIALLED_FROM_ABROAD = re.compile(r"\D*00")
# What the library does not take for an extension.
_EXTENSION = re.compile(
    r"[\s,;:/(.-]*(?<![^\W\d_])(?:poste|durchwahl|dw|apparat|app|nebenstelle|klappe|kl|interne|interno|toestel|tst|ramal"
    r"|anexo|wew|linka|dahili|内線|分机|分機|转|轉|내선)(?:\s*n[°o])?[\s.:-]*(\d{1,20})[\s)]*$",
    re.IGNORECASE,
)
# In North America and in numbers that are advertised, letters stand for the digits on whose keys they are.
_IN_LETTERS = frozenset({PhoneNumberType.TOLL_FREE, PhoneNumberType.SHARED_COST, PhoneNumberType.PREMIUM_RATE})
_NORTH_AMERICA = 1
_WORD_BEFORE_DIGITS = re.compile(r"\d.*[^\W\d_]\D*?(\d+)\D*$")


class NoNumber(ValueError):
    """It cannot be read as a number with a country code; a right one looks like `example`."""

    def __init__(self, example: str) -> None:
        """With an example of the country that is meant."""
        super().__init__(example)
        self.example = example


class NoSuchNumber(NoNumber):
    """Its country has no such numbers."""


class IncompleteNumber(NoNumber):
    """It ends too early to be one."""


class TooManyDigits(NoNumber):
    """It goes on for longer than any number does."""


_UNREADABLE = {
    NumberParseException.TOO_SHORT_AFTER_IDD: IncompleteNumber,
    NumberParseException.TOO_SHORT_NSN: IncompleteNumber,
    NumberParseException.TOO_LONG: TooManyDigits,
}


@lru_cache(maxsize=_REMEMBERED)
def read_phone(text: str, *, country: str | None = None) -> str:
    """The number as it is kept; `country` is only for the example of a refusal. Raises NoNumber."""
    written = _written_plainly(text)
    try:
        number = phonenumbers.parse(written, None)
    except NumberParseException as error:
        raise _UNREADABLE.get(error.error_type, NoNumber)(_example_of(country)) from error
    if not phonenumbers.is_valid_number(number):
        raise NoSuchNumber(_example_beside(number))
    if not _is_told_from_words(written, number):
        raise NoNumber(_example_beside(number))
    kept = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return f"{kept};ext={number.extension}" if number.extension else kept


def readable_parts(kept: str) -> tuple[str, str]:
    """A kept number in groups, and its extension or nothing; any other text as it is."""
    if not _KEPT.fullmatch(kept):
        return kept, ""
    number, _, extension = kept.partition(";ext=")
    try:
        parsed = phonenumbers.parse(number, None)
    except NumberParseException:
        return kept, ""
    return phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL), extension


def _written_plainly(text: str) -> str:
    text = "".join(str(unicodedata.decimal(char, char)) for char in unicodedata.normalize("NFKC", text))
    if (prefix := _DIALLED_FROM_ABROAD.match(text)) and "+" not in text:
        text = f"+{text[prefix.end() :]}"
    return _EXTENSION.sub(r" ext. \1", _SLASH_BEFORE_X.sub(" ", text))


def _is_told_from_words(written: str, number: PhoneNumber) -> bool:
    """Whether no word beside the number was read as digits, and no digits behind a word as the end of the number."""
    if number.country_code == _NORTH_AMERICA or phonenumbers.number_type(number) in _IN_LETTERS:
        return True
    kept = f"{number.country_code}{phonenumbers.national_significant_number(number)}{number.extension or ''}"
    if len(kept) > sum(character.isdigit() for character in written):
        return False
    behind_word = _WORD_BEFORE_DIGITS.search(written)
    return behind_word is None or behind_word[1] == number.extension


def _example_of(country: str | None) -> str:
    number = phonenumbers.example_number(country) if country else None
    return _in_groups(number) if number else ANY_EXAMPLE


def _example_beside(number: PhoneNumber) -> str:
    code = number.country_code or 0
    region = phonenumbers.region_code_for_country_code(code)
    if region != _NO_REGION:
        return _example_of(region)
    example = phonenumbers.example_number_for_non_geo_entity(code)
    return _in_groups(example) if example else ANY_EXAMPLE


def _in_groups(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)

"""Case numbers: 9 digits and a check digit."""

import re

from shared.errors import Invalid
from shared.serials import normal_case_number


class CheckNumber(Invalid):
    """The check digit is wrong: the number was mistyped. A number that does not exist is not found instead."""

    code = "check_number"
    title = "Please check the case number: it seems to be mistyped."


# The totally anti-symmetric quasigroup of H. M. Damm's thesis (2004): catches every single wrong digit and every swap.
_DAMM = (
    "0317598642",
    "7092154863",
    "4206871359",
    "1750983426",
    "6123045978",
    "3674209581",
    "5869720134",
    "8945362017",
    "9438617205",
    "2581436790",
)
_NUMBER_LENGTH, CHECK_DIGITS = 10, 1
_NUMBER_WITHIN = re.compile(rf"(?<!\d)\d{{{_NUMBER_LENGTH}}}(?!\d)", re.ASCII)


def _damm(digits: str) -> int:
    interim = 0
    for digit in digits:
        interim = int(_DAMM[interim][int(digit)])
    return interim


def case_number(serial_number: int) -> str:
    """The 10-digit number of the n-th case: 9 digits and the check digit."""
    digits = f"{serial_number:09d}"
    return f"{digits}{_damm(digits)}"


def read_case_number(text: str) -> str:
    """A case number as people type and paste it; CheckNumber when it is mistyped."""
    digits = normal_case_number(text)
    if not _is_case_number(digits):
        sentence = f"Please check the case number: it seems to be mistyped. It has {_NUMBER_LENGTH} digits."
        raise CheckNumber.at("number", "check_number", sentence, {"digits": _NUMBER_LENGTH})
    return digits


def case_numbers_in(text: str) -> list[str]:
    """The case numbers to look for: the text itself as one, and those within it, as in a subject, a link or a list."""
    within = [digits for digits in _NUMBER_WITHIN.findall(text) if _is_case_number(digits)]
    return list(dict.fromkeys((normal_case_number(text), *within)))


def _is_case_number(digits: str) -> bool:
    return len(digits) == _NUMBER_LENGTH and digits.isascii() and digits.isdigit() and _damm(digits) == 0

"""Case numbers: 9 digits and a check digit."""

import unicodedata

from shared.errors import Invalid


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
# Blanks, dashes, and what is not seen; then what stands around a number in subjects and talk.
_PARTING = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Pd"})
_AROUND = "#[]"


def _damm(digits: str) -> int:
    interim = 0
    for digit in digits:
        interim = int(_DAMM[interim][int(digit)])
    return interim


def case_number(serial_number: int) -> str:
    """The 10-digit number of the n-th case: 9 digits and the check digit."""
    digits = f"{serial_number:09d}"
    return f"{digits}{_damm(digits)}"


def typed_number(text: str) -> str:
    """Without what people type or paste into a number and around it: blanks, dashes, brackets, digits of full width."""
    plain = unicodedata.normalize("NFKC", text)
    return "".join(each for each in plain if unicodedata.category(each) not in _PARTING).strip(_AROUND)


def read_case_number(text: str) -> str:
    """A case number as people type or paste it; CheckNumber when it is mistyped."""
    digits = typed_number(text)
    if len(digits) != _NUMBER_LENGTH or not (digits.isascii() and digits.isdigit()) or _damm(digits) != 0:
        sentence = f"Please check the case number: it seems to be mistyped. It has {_NUMBER_LENGTH} digits."
        raise CheckNumber.at("number", "check_number", sentence, {"digits": _NUMBER_LENGTH})
    return digits

"""Case numbers: 9 digits and a check digit."""

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
    if len(digits) != _NUMBER_LENGTH or not (digits.isascii() and digits.isdigit()) or _damm(digits) != 0:
        sentence = f"Please check the case number: it seems to be mistyped. It has {_NUMBER_LENGTH} digits."
        raise CheckNumber.at("number", "check_number", sentence, {"digits": _NUMBER_LENGTH})
    return digits

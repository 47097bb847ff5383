"""E-mail addresses that are taken."""

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.schemas.base import Email

_EMAIL: TypeAdapter[Email] = TypeAdapter(Email)


@pytest.mark.parametrize("address", ["-oQ/tmp@b.co", "|cat@b.co", "/var/mail/x@b.co", "-@b.co", " |cat@b.co"])
def test_no_address_is_an_option_a_command_or_a_file_for_a_program(address: str) -> None:
    with pytest.raises(ValidationError):
        _EMAIL.validate_python(address)


@pytest.mark.parametrize("address", ["a-b@b.co", "a|b@b.co", "a/b@b.co", "_x@b.co", "x+y@b.co"])
def test_within_an_address_these_signs_are_signs(address: str) -> None:
    assert _EMAIL.validate_python(address) == address

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


@pytest.mark.parametrize(
    "domain",
    ["firma.local", "mail.lan", "firma.internal", "nas.home.arpa", "ad.corp", "firma.intranet", "a.test", "a.example"],
)
def test_an_address_of_an_intranet_is_taken(domain: str) -> None:
    assert _EMAIL.validate_python(f"Admin@{domain.upper()}") == f"admin@{domain}"


@pytest.mark.parametrize("address", ["ana@gmail", "root@mailhost", "root@localhost"])
def test_a_domain_without_a_dot_is_refused_and_the_refusal_says_so(address: str) -> None:
    with pytest.raises(ValidationError, match="needs a dot"):
        _EMAIL.validate_python(address)


@pytest.mark.parametrize("typed", ["x", "ana", "ana.example.com", "ana at example.com", "-"])
def test_where_the_at_is_missing_the_refusal_says_so_however_short_the_text(typed: str) -> None:
    with pytest.raises(ValidationError, match="The @ is missing"):
        _EMAIL.validate_python(typed)


@pytest.mark.parametrize("typed", ["ana@example.com, bob@example.com", "ana@example.com;bob@b", "a@@b.co"])
def test_of_several_addresses_one_is_asked_for(typed: str) -> None:
    with pytest.raises(ValidationError, match="Enter one e-mail address only"):
        _EMAIL.validate_python(typed)


@pytest.mark.parametrize(("typed", "code"), [("", "email"), ("@", "email"), ("x" * 255, "string_too_long")])
def test_an_address_that_is_empty_or_too_long_is_refused(typed: str, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        _EMAIL.validate_python(typed)
    assert refused.value.errors()[0]["type"] == code


@pytest.mark.parametrize(
    "address",
    [
        "a@b.localhost",
        "a@b.invalid",
        "ana@",
        # Pages take these, because people paste them; the API takes an address.
        "Ana <ana@example.com>",
        "<ana@example.com>",
        "mailto:ana@example.com",
        "ana@example.com.",
        "\u201cana@example.com",
        "\u2018ana@example.com\u2019",
        "ana\u201d@example.com",
        "ana\u2013b@example.com",
        "\u300cana@example.com",
    ],
)
def test_what_is_no_address_alone_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="Check this e-mail address"):
        _EMAIL.validate_python(address)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("o\u2019brien@example.com", "o'brien@example.com"),
        ("\uff41na\uff20example\uff0ecom", "ana@example.com"),
        ("JO\u0308RG@Example.com", "j\u00f6rg@example.com"),
        ("J\u030cOS@example.com", "\u01f0os@example.com"),  # there is no capital in one piece
        ("\u01f0os@example.com", "\u01f0os@example.com"),
        ("ana@M\u00dcNCHEN.de", "ana@m\u00fcnchen.de"),
        ("ana@xn--mnchen-3ya.de", "ana@m\u00fcnchen.de"),
        ("ana@b\u3002com", "ana@b.com"),
        ("ana\u200b@example.com\ufeff", "ana@example.com"),
    ],
)
def test_an_address_is_the_same_in_every_way_to_write_it(typed: str, kept: str) -> None:
    assert _EMAIL.validate_python(typed) == kept

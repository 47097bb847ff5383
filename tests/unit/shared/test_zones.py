"""Time zones, countries and languages as clients send them."""

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.schemas.base import Country, Language, TimeZone
from shared.zones import zone_names, zone_of

_ZONE: TypeAdapter[TimeZone] = TypeAdapter(TimeZone)
_COUNTRY: TypeAdapter[Country] = TypeAdapter(Country)
_LANGUAGE: TypeAdapter[Language] = TypeAdapter(Language)


@pytest.mark.parametrize(
    "name",
    [
        "localtime",
        "posixrules",
        "Factory",
        "Etc/Unknown",
        "posix/Europe/Paris",
        "right/Europe/Paris",
        "",
        "CEST",
        "../x",
    ],
)
def test_a_name_that_is_no_places_time_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="Choose a time zone"):
        _ZONE.validate_python(name)
    assert name not in zone_names()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Europe/Paris", "Europe/Paris"),
        ("europe/paris", "Europe/Paris"),
        (" AMERICA/NEW YORK ", "America/New_York"),
        ("utc", "UTC"),
        ("US/Pacific", "US/Pacific"),  # old names are right, too
        ("Etc/GMT-5", "Etc/GMT-5"),
    ],
)
def test_a_zone_is_known_however_its_name_is_typed(typed: str, kept: str) -> None:
    assert _ZONE.validate_python(typed) == kept


@pytest.mark.parametrize("name", [None, "", "Mars/Olympus_Mons", "../etc/passwd", "Europe", "\x00", "x" * 500])
def test_a_name_that_this_machine_does_not_know_means_utc(name: str | None) -> None:
    assert zone_of(name).key == "UTC"
    assert zone_of("Asia/Calcutta").key == "Asia/Calcutta"


@pytest.mark.parametrize(("typed", "kept"), [("fr", "FR"), ("FR", "FR"), ("xk", "XK")])
def test_a_country_is_known_in_small_letters_too(typed: str, kept: str) -> None:
    assert _COUNTRY.validate_python(typed) == kept


@pytest.mark.parametrize("typed", ["ZZ", "UK", "F", "France"])
def test_what_is_no_country_is_refused(typed: str) -> None:
    with pytest.raises(ValidationError):
        _COUNTRY.validate_python(typed)


@pytest.mark.parametrize(
    ("typed", "kept"), [("fr", "fr"), ("FR", "fr"), ("fr-CA", "fr"), ("en_US", "en"), ("en-Latn-GB-oxendict", "en")]
)
def test_a_regional_form_of_a_language_is_that_language(typed: str, kept: str) -> None:
    assert _LANGUAGE.validate_python(typed) == kept


@pytest.mark.parametrize("typed", ["de", "de-FR", "french", "", "-fr", "zh-Hant-TW"])
def test_another_language_is_refused_with_those_that_there_are(typed: str) -> None:
    with pytest.raises(ValidationError, match="Choose one of the languages: en, fr"):
        _LANGUAGE.validate_python(typed)

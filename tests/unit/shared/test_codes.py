"""Codes that are derived, never stored; and the signed actor."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from pydantic import ValidationError

from shared.codes import Purpose, digit_code, link_code, read_link_code, subkey
from shared.errors import NotSignedIn
from shared.schemas.identity import VerifyRegistration
from shared.signing import actor_key, sign, verify
from tests.builders import TEST_SECRET, an_actor

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
OTHER_SECRET = TEST_SECRET[::-1]


def test_a_link_code_leads_back_to_its_request_and_generation() -> None:
    request_id = uuid4()
    code = link_code(TEST_SECRET, Purpose.INVITATION, request_id, 3)
    assert read_link_code(TEST_SECRET, Purpose.INVITATION, code) == (request_id, 3)
    assert code.isascii()
    assert len(code) == 46


@pytest.mark.parametrize(
    ("before", "behind"),
    [("", "."), ("", ">"), ("<", ">"), ("", " "), ("(", "),"), ("", "\xa0"), ('"', '".'), ("", "\r\n")],
)
def test_what_a_mail_program_takes_for_a_part_of_the_link_is_left_out(before: str, behind: str) -> None:
    request_id = uuid4()
    code = link_code(TEST_SECRET, Purpose.UNSUBSCRIBE, request_id, 1)
    assert read_link_code(TEST_SECRET, Purpose.UNSUBSCRIBE, before + code + behind) == (request_id, 1)


def test_no_code_fits_another_key_purpose_or_generation() -> None:
    request_id = uuid4()
    code = link_code(TEST_SECRET, Purpose.INVITATION, request_id, 1)
    assert read_link_code(OTHER_SECRET, Purpose.INVITATION, code) is None
    assert read_link_code(TEST_SECRET, Purpose.VERIFICATION, code) is None
    assert code != link_code(TEST_SECRET, Purpose.INVITATION, request_id, 2)


@pytest.mark.parametrize("position", [0, 10, 22, 30, 45])
def test_a_changed_character_makes_a_code_worthless(position: int) -> None:
    code = link_code(TEST_SECRET, Purpose.INVITATION, uuid4(), 1)
    other = "A" if code[position] != "A" else "B"
    assert read_link_code(TEST_SECRET, Purpose.INVITATION, code[:position] + other + code[position + 1 :]) is None


@pytest.mark.parametrize("junk", ["", "a", "é" * 46, "=" * 46, "A" * 46, "A" * 5000, "../../etc/passwd", "\x00"])
def test_junk_is_no_code(junk: str) -> None:
    assert read_link_code(TEST_SECRET, Purpose.INVITATION, junk) is None


@pytest.mark.parametrize("generation", [1, 65_535, 65_536, 2**24, 2**40])
def test_a_link_code_of_any_generation_is_read_back(generation: int) -> None:
    request_id = uuid4()
    code = link_code(TEST_SECRET, Purpose.INVITATION, request_id, generation)
    assert read_link_code(TEST_SECRET, Purpose.INVITATION, code) == (request_id, generation)
    assert len(code) == 46 or generation > 65_535
    digit_code(TEST_SECRET, Purpose.INVITATION, request_id, generation)


def test_a_code_to_type_has_six_digits_and_changes_with_each_generation() -> None:
    request_id = uuid4()
    codes = [digit_code(TEST_SECRET, Purpose.VERIFICATION, request_id, generation) for generation in range(1, 50)]
    assert all(len(code) == 6 and code.isdigit() for code in codes)
    assert len(set(codes)) > 45


def test_each_purpose_has_a_key_of_its_own() -> None:
    assert len({subkey(TEST_SECRET, purpose) for purpose in ("actor", "csrf", *Purpose)}) == 2 + len(Purpose)


def test_a_signed_actor_is_read_back_whole() -> None:
    actor = an_actor(site_ids=frozenset({uuid4()}), main_site_id=uuid4(), language="fr")
    token = sign(actor, key=actor_key(TEST_SECRET), now=NOW)
    assert verify(token, key=actor_key(TEST_SECRET), now=NOW) == actor


def test_an_actor_signed_by_an_older_version_has_no_main_site() -> None:
    actor, key = an_actor(), actor_key(TEST_SECRET)
    claims = jwt.decode(sign(actor, key=key, now=NOW), options={"verify_signature": False})
    del claims["act"]["main_site_id"]
    assert verify(jwt.encode(claims, key), key=key, now=NOW) == actor


@pytest.mark.parametrize("ahead_s", [-600, -60, 0, 60])
def test_a_signed_actor_holds_while_the_clocks_are_a_minute_apart(ahead_s: int) -> None:
    """And then for half a minute more: so long the gateway goes by identity's word while that is away."""
    actor, key = an_actor(), actor_key(TEST_SECRET)
    token = sign(actor, key=key, now=NOW)
    for used_after_s in (0, 40):
        assert verify(token, key=key, now=NOW + timedelta(seconds=ahead_s + used_after_s)) == actor


def test_a_signed_actor_is_worth_nothing_after_two_minutes_or_under_another_key() -> None:
    key = actor_key(TEST_SECRET)
    old = sign(an_actor(), key=key, now=NOW - timedelta(seconds=120))
    forged = sign(an_actor(), key=actor_key(OTHER_SECRET), now=NOW)
    for token in (old, forged, "", "a.b.c"):
        with pytest.raises(NotSignedIn):
            verify(token, key=key, now=NOW)


@pytest.mark.parametrize("expires", ["soon", 1e300, -1e300, None, [], float("nan"), float("inf")])
def test_an_actor_that_expires_at_no_time_is_worth_nothing(expires: object) -> None:
    claims = {"act": {}, "aud": "portico-services", "exp": expires}
    with pytest.raises(NotSignedIn):
        verify(jwt.encode(claims, actor_key(TEST_SECRET)), key=actor_key(TEST_SECRET), now=NOW)


@pytest.mark.parametrize(
    "typed",
    [
        "123456",
        " 123 456 ",
        "123-456",
        "123\u2013456",
        "123\u2212456",
        "123456\u200b",
        "\u200e123\u00a0456\u202c",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "\u0661\u0662\u0663\u0664\u0665\u0666",
        "\u06f1\u06f2\u06f3\u06f4\u06f5\u06f6",
        "Code: 123456",
        "Votre code est 123 456.",
        "*123456*",
        "\t123456\r\n",
    ],
)
def test_a_code_is_taken_as_people_copy_it(typed: str) -> None:
    assert VerifyRegistration(email="ana@example.com", code=typed).code == "123456"


@pytest.mark.parametrize("typed", ["12345", "1234567", "12345x6", "123456 or 654321", "", "x", "1" * 101, 123456, None])
def test_anything_else_is_no_code(typed: object) -> None:
    with pytest.raises(ValidationError):
        VerifyRegistration.model_validate({"email": "ana@example.com", "code": typed})

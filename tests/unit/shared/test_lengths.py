"""What a text may cost: its length is looked at before anything else."""

import json
import unicodedata
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

import pytest
from pydantic import ValidationError

from services.cases.attachments.domain.files import clean_name
from shared.errors import Refusal
from shared.multipart import read_disposition
from shared.schemas.base import Body, Cleaned, Request
from shared.schemas.case_actions import CaseAction
from shared.schemas.cases import SubmitCase
from shared.schemas.identity import AcceptInvitation, SignIn, SiteBody
from shared.web.requests import parsed
from tests.processor import processor_s
from tests.worst import JSON_BOMBS, LINES, TEXTS, as_json, body_with, models, text_fields, text_nodes, text_of

_MARKS = "\u0301\u0323"
_ONLY_MARKS = "\u0f73\u0f75\u0f81"


pytestmark = pytest.mark.usefixtures("nothing_is_collected")


class Letter(Request):
    """Two kinds of text."""

    title: Annotated[str, Cleaned(least=2, most=4)] = "none"


def _refusal(text: str) -> tuple[str, str]:
    with pytest.raises(ValidationError) as refused:
        Letter(title=text)
    return refused.value.errors()[0]["type"], refused.value.errors()[0]["msg"]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_text_that_is_read_has_a_bound(model: type[Body]) -> None:
    bounds = {"maxLength", "enum", "const", "format"}
    unbounded = [
        way
        for way, node in text_nodes(model.model_json_schema())
        if not bounds & node.keys() and not node.get("pattern", "").endswith("}$")
    ]
    assert unbounded == []


def _allowed(way: tuple[str, ...], kind: str, most: int) -> list[bytes]:
    """What its length alone does not refuse."""
    return [json.dumps(body_with(way, text_of(kind, times * most))).encode() for times in (1, 4) if most]


def _validate(model: type[Body], body: bytes) -> None:
    with suppress(ValidationError):
        model.model_validate_json(body)


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_no_text_of_any_field_takes_long(model: type[Body]) -> None:
    slow = {}
    for way, most in text_fields(model).items():
        for kind in TEXTS:
            for body in (*_allowed(way, kind, most), as_json(way, kind, 240_000)):
                if (took := processor_s(partial(_validate, model, body), enough_s=0.05)) > 0.05:
                    slow[way, kind, len(body)] = took
    assert slow == {}


@pytest.mark.parametrize(
    "text",
    [
        "ab",
        "a\r\nbc",  # four characters, once each end of a line is one
        "e\u0301" * 4,
        "\u1f82" * 4,
        unicodedata.normalize("NFD", "\u1f82" * 4),  # the letter that comes apart into most characters
        unicodedata.normalize("NFD", "\ud55c" * 4),
    ],
)
def test_the_length_of_a_text_is_what_is_kept_of_it(text: str) -> None:
    kept = Letter(title=text).title
    assert kept == unicodedata.normalize("NFC", text).replace("\r\n", "\n")
    assert 2 <= len(kept) <= 4


def test_too_long_and_too_short_say_the_bound_that_holds() -> None:
    assert _refusal("abcde") == ("string_too_long", "String should have at most 4 characters")
    assert _refusal("a" * 17) == ("string_too_long", "String should have at most 4 characters")
    assert _refusal("a" + _MARKS * 240_000) == ("string_too_long", "String should have at most 4 characters")
    assert _refusal("a") == ("string_too_short", "String should have at least 2 characters")


def test_a_letter_has_thirty_marks_and_not_one_more() -> None:
    class Long(Request):
        text: Annotated[str, Cleaned(most=1000)]

    assert len(Long(text="a" + _MARKS * 15).text) > 20
    assert len(Long(text=("a" + _MARKS * 15) * 30).text) > 600
    with pytest.raises(ValidationError) as refused:
        Long(text="a" + _MARKS * 15 + "\u0301")
    assert refused.value.errors()[0]["type"] == "combining_marks"


def test_a_letter_that_comes_apart_into_marks_is_one() -> None:
    class Long(Request):
        text: Annotated[str, Cleaned(most=10_000)]

    begins_with_a_mark = {
        character
        for character in map(chr, range(0x110000))
        if unicodedata.combining(unicodedata.normalize("NFD", character)[0]) and not unicodedata.combining(character)
    }
    assert begins_with_a_mark == set(_ONLY_MARKS)  # of this Unicode; another may have more
    for mark in _ONLY_MARKS:
        assert Long(text="a" + mark * 30).text
        with pytest.raises(ValidationError) as refused:
            Long(text="a" + mark * 31)
        assert refused.value.errors()[0]["type"] == "combining_marks"


_EMOJI = "\U0001f600"  # takes twelve bytes, as an escape and in a form


@pytest.mark.parametrize(
    ("model", "longest"),
    [
        (SignIn, {"email": "é" * 254, "password": _EMOJI * 1024}),
        (AcceptInvitation, dict.fromkeys(("first_name", "last_name"), _EMOJI * 100) | {"password": _EMOJI * 1024}),
        (SiteBody, dict.fromkeys(SiteBody.model_fields, _EMOJI * 100)),
        (CaseAction, {"action": "comment", "text": _EMOJI * 10_000, "attachment_ids": ["x" * 64] * 20}),
        (
            SubmitCase,
            dict.fromkeys(SubmitCase.model_fields, _EMOJI * 100)
            | {"description": _EMOJI * 10_000, "troubleshooting": _EMOJI * 10_000}
            | dict.fromkeys(("contact", "secondary_contact"), dict.fromkeys(("a", "b", "c", "d"), _EMOJI * 100))
            | dict.fromkeys(("equipment_address", "parts_address"), dict.fromkeys("abcdefg", _EMOJI * 100)),
        ),
    ],
)
def test_the_longest_legal_body_has_room_however_it_is_written(model: type[Body], longest: dict[str, Any]) -> None:
    assert len(json.dumps(longest).encode()) <= model.max_body_bytes


def test_bodies_without_a_long_text_are_small() -> None:
    small = {model.__name__ for model in models() if model.max_body_bytes <= 16 * 1024}
    assert small >= {
        *("SignIn", "SessionToken", "SwitchSession", "AcceptInvitation", "VerifyRegistration", "ResendVerification"),
        *("PreferencesBody", "UnsubscribeBody"),
    }
    large = {model.__name__ for model in models() if model.max_body_bytes > 320 * 1024}
    assert large == {"NewAgreement", "PinsBody"}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    "head", ["", "a;", 'form-data; name="', "form-data; filename*=utf-8''", 'form-data; filename="']
)
def test_no_header_of_a_part_takes_long(head: str, line: str) -> None:
    header = head + line * (8_000 // len(line))
    assert processor_s(lambda: read_disposition(header), enough_s=0.05) < 0.05


@pytest.mark.parametrize("end", ["", ".png"])
@pytest.mark.parametrize("marks", [_MARKS, _ONLY_MARKS])
def test_no_name_of_a_file_takes_long(marks: str, end: str) -> None:
    long_name = "a" + marks * 200_000 + end
    assert processor_s(lambda: clean_name(long_name), enough_s=0.05) < 0.05
    name = clean_name(long_name)
    assert len(name) <= 150
    assert name.endswith(end)


def _refuse(model: type[Body], body: bytes) -> None:
    with suppress(Refusal):
        parsed(body, model=model)


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_no_json_takes_long_to_refuse(model: type[Body]) -> None:
    slow = {}
    for kind, bomb in JSON_BOMBS.items():
        body = bomb(model.max_body_bytes)  # in a thread, where one call holds up everybody all the same
        if (took := processor_s(partial(_refuse, model, body), enough_s=0.1)) > 0.1:
            slow[kind] = took
    assert slow == {}

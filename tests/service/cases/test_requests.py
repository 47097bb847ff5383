"""What programs send in a way of their own works, or is refused with the place and what is expected there."""

import json
from typing import get_args

import pytest

from services.cases.cases.domain.numbers import case_number
from shared.actor import Actor
from shared.schemas.case_actions import CaseActionName
from shared.schemas.cases import CaseQuery
from tests.builders import Json, an_actor
from tests.client import Answer
from tests.service.cases.conftest import CasesApi, a_case

JSON = {"Content-Type": "application/json"}
COMMENT = b'{"action":"comment","text":"It stopped again."}'
NOT_JSON = "The body is not valid JSON in UTF-8"
UNKNOWN_NUMBER = case_number(999_999_999)


async def comment(cases: CasesApi, by: Actor, body: bytes, content_type: str = "application/json") -> Answer:
    number = (await cases.submitted(by))["number"]
    path = f"/cases/{number}/actions"
    return await cases.call("POST", path, by, data=body, headers={"Content-Type": content_type})


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (COMMENT, "application/json; charset=utf-8"),
        (COMMENT, 'Application/JSON;charset="UTF-8"'),
        (b"\xef\xbb\xbf" + COMMENT, "application/json"),
        (b" \r\n" + COMMENT + b"\n", "application/json"),
        (b'{"action":"comment","text":"first","text":"It stopped again."}', "application/json"),
        (b'{"action":"comment","text":"It stopped again.","attachment_ids":null,"version":null}', "application/json"),
        (b'{"action":"comment","text":"It stopped again.","version":1.0}', "application/json"),
        (rb'{"action":"comment","text":"It stopped again.\ud83d"}', "application/json"),
        (rb'{"action":"comment","text":"\uDE00It stopped \ud83dagain."}', "application/json"),
    ],
)
async def test_a_body_may_be_written_as_programs_write_it(cases: CasesApi, body: bytes, content_type: str) -> None:
    answer = await comment(cases, an_actor(), body, content_type)
    assert (answer.status, answer.body["history"][-1]["text"]) == (200, "It stopped again.")


@pytest.mark.parametrize(
    ("body", "content_type", "refused"),
    [
        (COMMENT.decode().encode("utf-16"), "application/json", (400, f"{NOT_JSON}: look at line 1, column 1.")),
        (b'{"text":"\xe9"}', "application/json; charset=iso-8859-1", (400, f"{NOT_JSON}: look at line 1, column 10.")),
        (b"", "application/json", (400, f"{NOT_JSON}.")),
        (COMMENT[:-1] + b",\n }", "application/json", (400, f"{NOT_JSON}: look at line 2, column 2.")),
        (COMMENT, "text/json", (415, "Send application/json.")),
        (COMMENT, "application/merge-patch+json", (415, "Send application/json.")),
        (COMMENT, "application/x-www-form-urlencoded", (415, "Send application/json.")),
    ],
)
async def test_a_body_that_cannot_be_read_is_told_what_is_expected(
    cases: CasesApi, body: bytes, content_type: str, refused: tuple[int, str]
) -> None:
    answer = await comment(cases, an_actor(), body, content_type)
    assert (answer.status, answer.body["detail"]) == refused


@pytest.mark.parametrize("severity", [2, 2.0])
async def test_a_whole_number_may_be_written_with_a_point(cases: CasesApi, severity: float) -> None:
    ana = an_actor()
    case = await cases.submitted(ana, severity=severity)
    assert case["severity"] == 2
    changed = await cases.act(case["number"], ana, action="change_severity", version=1.0, severity=3.0)
    assert (changed.status, changed.body["severity"]) == (200, 3)


@pytest.mark.parametrize("severity", ["2", 2.5, True, 1e400, [2]])
async def test_what_is_no_whole_number_is_refused_at_its_field(cases: CasesApi, severity: object) -> None:
    body = json.dumps(a_case(severity=severity)).replace("Infinity", "1e400")
    answer = await cases.call("POST", "/cases", an_actor(), data=body, headers=JSON)
    assert (answer.status, answer.field_codes) == (422, {"severity": "int_type"})
    assert answer.body["errors"][0]["message"] == "Enter a whole number."


@pytest.mark.parametrize(
    ("action", "field"),
    [
        ({"action": "dance"}, "action"),
        ({"text": "hello"}, "action"),
        ({"action": " comment ", "text": "hello"}, "action"),
        ({"action": "comment"}, "text"),
        ({"action": "close", "version": 1, "reason": "done", "resolved": True, "colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_action_is_told_so_whichever_case_it_is_for(cases: CasesApi, action: Json, field: str) -> None:
    ana, stranger = an_actor(), an_actor()
    own, foreign = (await cases.submitted(ana))["number"], (await cases.submitted(stranger))["number"]
    answers = [await cases.act(number, ana, **action) for number in (own, foreign, UNKNOWN_NUMBER)]
    assert {(answer.status, tuple(answer.wrong_fields)) for answer in answers} == {(422, (field,))}
    right = [await cases.act(number, ana, action="comment", text="hello") for number in (own, foreign, UNKNOWN_NUMBER)]
    assert [answer.status for answer in right] == [200, 404, 404]


async def test_an_unknown_action_is_told_the_known_ones(cases: CasesApi) -> None:
    answer = await cases.act(UNKNOWN_NUMBER, an_actor(), action="dance")
    assert answer.body["errors"][0]["message"] == f"Choose one of: {', '.join(get_args(CaseActionName))}."


@pytest.mark.parametrize("name", sorted(CaseQuery.model_fields))
async def test_an_empty_parameter_of_a_list_is_the_same_as_none(cases: CasesApi, name: str) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    assert await cases.listed(ana, **{name: ""}) == [number]


async def test_an_unknown_parameter_is_refused_even_if_it_is_empty(cases: CasesApi) -> None:
    answer = await cases.call("GET", "/cases?colour=", an_actor())
    assert (answer.status, answer.field_codes) == (422, {"colour": "extra_forbidden"})


async def test_a_parameter_that_takes_one_value_is_given_once(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    answer = await cases.call("GET", "/cases?limit=5&limit=6&severity=1&severity=2&sort=title", ana)
    assert (answer.status, answer.field_codes) == (422, {"limit": "repeated", "severity": "repeated"})
    assert answer.body["errors"][0]["message"] == "Give this once."
    same = await cases.call("GET", "/cases?limit=5&limit=5&limit=", ana)
    several = await cases.call("GET", "/cases?status=new&status=closed&status=new", ana)
    assert [[row["number"] for row in each.body["items"]] for each in (same, several)] == [[number], [number]]


PASTED = ["#{0}{1}", "[{0}{1}]", "{0}\u2013{1}", "\u200b{0}\u200b{1}", "\u00a0{0} {1}"]


@pytest.mark.parametrize("pasted", PASTED)
async def test_a_number_is_found_as_it_is_pasted(cases: CasesApi, pasted: str) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    assert await cases.listed(ana, q=pasted.format(number[:4], number[4:])) == [number]


async def test_a_number_of_full_width_digits_is_read(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in number)
    assert await cases.listed(ana, q=wide) == [number]
    assert (await cases.get(wide, ana)).body["number"] == number

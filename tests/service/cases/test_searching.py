"""What a search finds: however the text was typed, pasted or copied from somewhere."""

import pytest
from uuid_utils.compat import uuid7

from shared.actor import Actor
from tests.builders import Json, an_actor
from tests.events import site_changed
from tests.service.cases.conftest import CasesApi

MESSAGE = (
    "Fatal error 0x0000007B in module fuser_ctl.dll at address 00A4:113F.\n"
    "The print engine has been stopped to prevent damage to the heating unit of the device; "
    "see the event log for details (code: 4930-17)."
)


async def found(cases: CasesApi, case: Json, **query: str) -> bool:
    """Whether the list, its counts and its export agree that the case is found."""
    ana = case["ana"]
    listed = await cases.call("GET", "/cases", ana, params=query)
    assert listed.status == 200, listed.body
    counts = (await cases.call("GET", "/cases/facets", ana, params=query)).body["severity"]
    numbers = [row["number"] for row in listed.body["items"]]
    assert numbers in ([], [case["number"]])
    assert sum(facet["count"] for facet in counts) == len(numbers)
    return bool(numbers)


async def a_case(cases: CasesApi, **fields: str) -> Json:
    ana = an_actor()
    for title in ("Paper jam in tray 3", "The engine has been stopped"):
        await cases.submitted(ana, title=title)
    return {**await cases.submitted(ana, **fields), "ana": ana}


@pytest.mark.parametrize("reference", ["PO-4711", "po-4711", "Po-4711", " PO-4711\n", "\uff30\uff2f-4711"])
async def test_an_own_reference_is_found_in_upper_and_lower_case(cases: CasesApi, reference: str) -> None:
    assert await found(cases, await a_case(cases, own_reference="PO-4711"), q=reference)


@pytest.mark.parametrize(
    ("kept", "typed", "is_found"),
    [
        ("Réf. Été 7", "réf. été 7", True),
        ("Réf. Été 7", "RÉF.  ÉTÉ 7", True),
        ("Réf. Été 7", "Re\u0301f. E\u0301te\u0301 7", True),
        ("Réf. Été 7", "ref. ete 7", False),
        ("012", "12", False),
        ("PO-4711", "PO4711", False),
    ],
)
async def test_an_own_reference_is_found_with_its_accents_dashes_and_zeros_as_typed(
    cases: CasesApi, *, kept: str, typed: str, is_found: bool
) -> None:
    assert await found(cases, await a_case(cases, own_reference=kept), q=typed) is is_found


@pytest.mark.parametrize(
    ("typed", "is_found"),
    [
        ("RX42", True),
        ("rx4 2\u20110", True),
        ("RX42-00", True),
        ("X42", False),
        ("RX43", False),
        ("RX", False),
        ("RX4200123456789012", True),
        ("PO-", True),
        ("po-47", True),
        ("PO47", False),
        (" PO-4711 BI", True),
        ("réf", False),
    ],
)
async def test_the_beginning_of_a_serial_number_or_a_reference_finds_a_case(
    cases: CasesApi, *, typed: str, is_found: bool
) -> None:
    case = await a_case(cases, serial="RX42-00123456789012", own_reference="PO-4711 bis")
    assert await found(cases, case, q=typed) is is_found


async def test_signs_of_patterns_in_the_beginning_of_a_number_are_signs(cases: CasesApi) -> None:
    case = await a_case(cases, own_reference="a.*(b")
    assert await found(cases, case, q="A.*(")
    for typed in (".*(", "a.x", "^a.*"):
        assert not await found(cases, case, q=typed), typed


@pytest.mark.parametrize("form", ["{}", "case #{}", "Dossier n° {}"])
async def test_the_beginning_of_a_case_number_finds_it_and_those_beside_it(cases: CasesApi, form: str) -> None:
    case = await a_case(cases)
    answer = await cases.call("GET", "/cases", case["ana"], params={"q": form.format(case["number"][:-1])})
    assert [row["number"] for row in answer.body["items"]] == [case["number"]]
    answer = await cases.call("GET", "/cases", case["ana"], params={"q": form.format(case["number"][:3])})
    assert answer.body["total"] == 3  # all of their company, and none of another


async def test_an_agent_finds_by_beginnings_in_a_queue_over_all_companies(cases: CasesApi, agent: Actor) -> None:
    mark = f"Z{uuid7().hex[-9:]}"
    numbers: list[str] = []
    for _ in range(2):
        ana = an_actor()
        numbers.append((await cases.submitted(ana, serial=f"{mark}-{len(numbers)}"))["number"])
    for path, query in (("/agent/cases", {"queue": "open"}), ("/cases", {"sort": "created_at"})):
        answer = await cases.call("GET", path, agent, params={"q": mark[:8], **query})
        assert [row["number"] for row in answer.body["items"]] == numbers
    of_one = {"q": mark[:8], "queue": "open", "company_id": str(ana.company_id)}
    answer = await cases.call("GET", "/agent/cases", agent, params=of_one)
    assert [row["number"] for row in answer.body["items"]] == numbers[1:]


@pytest.mark.parametrize(
    "typed", ["CNQ4411", "cnq 44-11", "CNQ\u201144\u201311", "\uff23\uff2e\uff314411", "\u200bCNQ\u00a04411 "]
)
async def test_a_serial_number_is_found_however_it_is_spelled(cases: CasesApi, typed: str) -> None:
    case = await a_case(cases, serial="CNQ-4411")
    assert await found(cases, case, q=typed)
    assert await found(cases, case, serial=typed)


@pytest.mark.parametrize(
    "form",
    [
        *("{}", "#{}", "No. {}", "no {}", "\u2116 {}", "N\u00b0{}", "n\u00ba {}", "case #{}", "Case number: {}"),
        *("Dossier n\u00b0 {}", "[{}]", "({}).", "{}\r\n", "\u200b{}\ufeff"),
    ],
)
async def test_a_case_number_is_found_with_whatever_people_write_around_it(cases: CasesApi, form: str) -> None:
    case = await a_case(cases)
    number = case["number"]
    wide = number.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
    for digits in (number, f"{number[:4]} {number[4:7]}-{number[7:]}", wide):
        assert await found(cases, case, q=form.format(digits)), digits


@pytest.mark.parametrize(
    "pasted",
    [
        "Re: [{}] Paper jam in tray 3",
        "https://portal.example/cases/{}?page=2#history",
        "{}, 9999999990",  # which no case has
        "see {} (ours)",
        "Fwd: Case {} has been closed",
    ],
)
async def test_a_case_number_is_found_within_a_subject_a_link_or_a_list(cases: CasesApi, pasted: str) -> None:
    case = await a_case(cases)
    assert await found(cases, case, q=pasted.format(case["number"]))
    longer = f"{case['number']}7"
    assert not await found(cases, case, q=pasted.format(longer))


@pytest.mark.parametrize(
    "pasted",
    [
        MESSAGE,
        MESSAGE.replace("\n", "\r\n\t"),
        MESSAGE.upper(),
        f"> {MESSAGE}",
        f"“{MESSAGE}”",
        f"\x1b[31m{MESSAGE}\x1b[0m\x00",
        MESSAGE[:140],
        f"{MESSAGE} {MESSAGE}",
        "fuser_ctl.dll, heating unit.",
        "(4930-17)",
        "stopped: damage!",
    ],
    ids=lambda text: repr(text[:30]),
)
async def test_a_pasted_message_finds_the_case_that_quotes_it(cases: CasesApi, pasted: str) -> None:
    assert await found(cases, await a_case(cases, title="Printer stops", description=MESSAGE), q=pasted)


async def test_a_case_is_found_by_the_last_line_of_a_long_log(cases: CasesApi) -> None:
    log = "\n".join(f"2026-11-21T10:{number // 60:02}:{number % 60:02} page {number} printed" for number in range(250))
    case = await a_case(cases, title="Printer stops", description=f"{log}\nFatal: spindle timeout E-4711")
    for typed in ("spindle", "E-4711", "printer SPINDLE", "page 249", "2026-11-21T10:04:09"):
        assert await found(cases, case, q=typed), typed


@pytest.mark.parametrize(
    "text",
    ["?!,;:---...", '"', '"" "', "\\", '\\"', "\x00\x07", "\u200b", "-", "$ne", "{", "word " * 100, "a b " * 125],
)
async def test_no_text_breaks_the_search(cases: CasesApi, text: str) -> None:
    case = await a_case(cases)
    for sort in ("title", "-updated_at"):
        answer = await cases.call("GET", "/cases", case["ana"], params={"q": text, "sort": sort})
        assert answer.status == 200, answer.body


@pytest.mark.parametrize("text", ["?!,;:---...", '"', '"" "', "\\", '\\"', "-", "$ne", "{"])
async def test_punctuation_alone_finds_nothing(cases: CasesApi, text: str) -> None:
    assert not await found(cases, await a_case(cases), q=text)


async def test_a_longer_text_than_a_search_takes_is_named_at_its_field(cases: CasesApi) -> None:
    for path in ("/cases", "/cases/facets", "/cases.xlsx", "/cases.csv"):
        for most in (501, 2001, 6000):
            answer = await cases.call("GET", path, an_actor(), params={"q": "a" * most})
            assert (answer.status, answer.wrong_fields) == (422, {"q"}), path
            assert answer.body["errors"][0]["params"] == {"limit": 500}


async def test_a_period_that_ends_before_it_begins_is_named_at_its_end(cases: CasesApi) -> None:
    query = {"created_from": "2026-11-22", "created_to": "2026-11-21"}
    for path in ("/cases", "/cases/facets", "/cases.xlsx", "/cases.csv"):
        answer = await cases.call("GET", path, an_actor(), params=query)
        assert (answer.status, answer.wrong_fields) == (422, {"created_to"})
        assert answer.body["errors"][0]["code"] == "end_before_start"


@pytest.mark.parametrize("typed", ["Hôpital", "hopital", "L’hôpital Édouard", "jam Edouard", "Herriot"])
async def test_a_case_is_found_by_the_words_of_its_sites_name(cases: CasesApi, typed: str) -> None:
    ana = an_actor()
    site = site_changed(ana.company_id, name="Hôpital Édouard-Herriot")
    await cases.hear(site)
    await cases.submitted(ana)
    number = (await cases.submitted(ana, site_id=str(site.site_id)))["number"]
    assert await cases.listed(ana, q=typed) == [number]
    assert await cases.listed(an_actor(), q=typed) == []

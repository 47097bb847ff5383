"""Cases that are submitted at once share reads and writes: each has its own data, its own answer, its own refusal."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from deploy.local.parts import Mongod
from deploy.local.waiting import until
from services.cases.attachments.domain.files import Limits
from services.cases.cases.handlers.submission import submit_case
from services.cases.cases.store import CaseNumbers
from services.cases.copies import store as copies
from services.cases.settings import CasesSettings
from shared.actor import Actor, Role
from shared.errors import NotYetKnown
from shared.events.contracts import AgreementChanged, ProductChanged
from shared.events.identity import CompanyPin
from shared.idempotency import IdempotencyKey
from shared.mongo import DuplicateKey
from shared.schemas.cases import SubmitCase
from tests.builders import TEST_SECRET, Json, a_contact, a_serial, an_actor, until_ready
from tests.client import Answer
from tests.contained import ContainedMongod
from tests.events import agreement_changed, company_changed, device_changed, site_changed, user_changed
from tests.service.cases.conftest import HANDS, CasesApi, a_case, a_replica
from tests.service.cases.files import uploaded
from tests.unbounded import UNBOUNDED

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Customer:
    """Somebody whose company has one of everything, with names that say whose they are."""

    ana: Actor
    luc: Actor
    serial: str
    said: str
    site_id: str
    pin: str
    contract: AgreementChanged

    @property
    def wishes(self) -> list[Json]:
        """The shapes that a case may have."""
        luc = a_contact(user_id=str(self.luc.user_id), email=self.luc.login_email)
        return [
            {"serial": self.serial},
            {"serial": self.serial, "site_id": self.site_id, "pin": self.pin},
            {"said": self.said},
            {"serial": a_serial(), "secondary_contact": luc},
            {"contact": luc, "serial": self.serial},
            {"contact": a_contact(email=self.luc.login_email), "site_id": self.site_id},
            {"submitter_id": str(self.luc.user_id), "serial": self.serial, "confidential": True},
        ]


async def a_customer(cases: CasesApi, name: str) -> Customer:
    ana = an_actor(name=f"Ana {name}", company_name=name)
    luc = an_actor(Role.MEMBER, company_id=ana.company_id, name=f"Luc {name}")
    contract = agreement_changed(said=f"SA-{a_serial()}", company_id=ana.company_id, level=f"level of {name}")
    device = device_changed(ana.company_id, a_serial(), contract, product_name=f"Press of {name}")
    site = site_changed(ana.company_id, name=f"Site of {name}")
    pin = CompanyPin(pin="GOLD", label="Gold", instructions=f"Call {name} first.", said=contract.said)
    company = company_changed(ana.company_id, name=name, pins=[pin])
    for event in (user_changed(ana), user_changed(luc), contract, device, site, company):
        await cases.hear(event)
    return Customer(ana, luc, device.serial, contract.said or "", str(site.site_id), pin.pin, contract)


@pytest.fixture
async def customers(cases: CasesApi) -> list[Customer]:
    return [await a_customer(cases, name) for name in ("Acme", "Borel", "Cato", "Dumont")]


class Gate:
    """Holds up what is asked of the copies until it is opened."""

    def __init__(self, cases: CasesApi) -> None:
        self.batches = cases.db.batches[copies._FINDS]
        self.read = self.batches._work
        self.opened = asyncio.Event()
        self._held = 0

    async def hold(self, asked: Sequence[copies.Questions]) -> Sequence[Any]:
        self._held = len(asked)
        await self.opened.wait()
        self._held = 0
        found: Sequence[Any] = await self.read(asked)
        return found

    async def until_before_it(self, count: int) -> None:
        async def is_full() -> bool:
            return self._held + len(self.batches._waiting) == count

        assert await until(is_full, deadline_s=30, pause_s=0.01)


@pytest.fixture(autouse=True)
def _no_second_passes() -> None:
    """For `timed`: a case says how many seconds old it is, a repeat of its answer too."""
    HANDS.now = datetime.now(UTC)


@asynccontextmanager
async def held_up(cases: CasesApi) -> AsyncIterator[Gate]:
    """All who submit within wait before one gate."""
    await cases.submitted(an_actor())  # from now on there are batches
    gate = Gate(cases)
    gate.batches._work = gate.hold
    try:
        yield gate
    finally:
        gate.opened.set()
        gate.batches._work = gate.read


async def test_of_many_cases_of_several_companies_at_once_each_gets_its_own_data(
    cases: CasesApi, customers: list[Customer]
) -> None:
    wanted = [(customer, wish) for customer in customers for wish in customer.wishes * 2]
    answers = await asyncio.gather(*(cases.submit(customer.ana, **wish) for customer, wish in wanted))
    assert [answer.status for answer in answers] == [201] * 56
    assert len({answer.body["number"] for answer in answers}) == 56
    for (customer, wish), answer in zip(wanted, answers, strict=True):
        case, name = answer.body, customer.ana.company_name
        assert (case["company_id"], case["company_name"]) == (str(customer.ana.company_id), name)
        assert case["site_name"] == (f"Site of {name}" if "site_id" in wish else "")
        is_known = customer.serial == wish.get("serial")
        assert case["product_name"] == (f"Press of {name}" if is_known else "")
        assert case["coverage"]["level"] == (f"level of {name}" if is_known or "said" in wish else None)
        assert case["submitter"]["name"] == (f"Luc {name}" if "submitter_id" in wish else f"Ana {name}")
        assert case["contact"]["user_id"] == (str(customer.luc.user_id) if "contact" in wish else None)
        document = await cases.db["cases"].find_one({"number": case["number"]})
        assert document is not None
        assert document["pin_instructions"] == (f"Call {name} first." if "pin" in wish else "")
        assert {event["body"]["company_id"] for event in document["pending"]} == {str(customer.ana.company_id)}
        assert {event["actor_name"] for event in document["pending"]} == {f"Ana {name}"}


async def test_another_companys_things_are_unknown_though_their_owner_asks_for_them_in_the_same_moment(
    cases: CasesApi, customers: list[Customer]
) -> None:
    acme, borel = customers[:2]
    of_acme = [cases.submit(acme.ana, **wish) for wish in acme.wishes]
    luc = a_contact(user_id=str(acme.luc.user_id), email=acme.luc.login_email)
    by_borel: list[Json] = [
        {"site_id": acme.site_id},
        {"contact": luc},
        {"secondary_contact": luc},
        {"submitter_id": str(acme.luc.user_id)},
        {"serial": acme.serial},
        {"said": acme.said},
        {"contact": a_contact(email=acme.luc.login_email)},
        {"serial": acme.serial, "pin": acme.pin},
    ]
    answers = await asyncio.gather(*of_acme, *(cases.submit(borel.ana, **wish) for wish in by_borel))
    own, foreign = answers[:7], answers[7:]
    assert [answer.status for answer in own] == [201] * 7
    assert [(answer.status, answer.code) for answer in foreign[:4]] == [(409, "not_yet_known")] * 4
    serial, said, contact, pin = foreign[4:]
    for case in (serial.body, said.body):
        assert (case["coverage"]["verdict"], case["product_name"], case["coverage"]["level"]) == (
            "unverified",
            "",
            None,
        )
    assert contact.body["contact"]["user_id"] is None
    assert (pin.status, pin.code, pin.body["current"]["valid_pins"]) == (422, "pin_not_valid", [])


async def test_what_is_refused_is_refused_alone(cases: CasesApi, customers: list[Customer]) -> None:
    acme = customers[0]
    wishes: list[Json] = [{"serial": acme.serial} for _ in range(10)]
    wishes[3] = {"site_id": str(uuid7())}
    wishes[7] = {"product_number": "NO-SUCH"}
    answers = await asyncio.gather(*(cases.submit(acme.ana, **wish) for wish in wishes))
    assert [answer.status for answer in answers] == [201, 201, 201, 409, 201, 201, 201, 409, 201, 201]
    assert [answers[place].wrong_fields for place in (3, 7)] == [{"site_id"}, {"product_number"}]


async def test_the_same_key_twice_at_once_makes_one_case_and_another_body_is_refused_alone(
    timed: CasesApi, customers: list[Customer]
) -> None:
    ana, body = customers[0].ana, a_case(serial=customers[0].serial)
    async with held_up(timed) as gate:
        same = asyncio.gather(*(timed.call("POST", "/cases", ana, key="k", json=body) for _ in range(2)))
        await gate.until_before_it(2)
        # Who comes first has the key.
        later = asyncio.gather(
            timed.call("POST", "/cases", ana, key="k", json=body | {"title": "Something else"}),
            *(timed.submit(customer.ana) for customer in customers),
        )
        await gate.until_before_it(2 + 1 + len(customers))
        gate.opened.set()
        first, again, other, *others = [*await same, *await later]
    assert [answer.status for answer in (first, again, *others)] == [201] * 6
    assert first.body == again.body
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert len(await timed.listed(ana)) == 2


async def test_who_gets_a_number_that_a_case_has_fails_alone_and_does_not_count(
    cases: CasesApi, customers: list[Customer]
) -> None:
    numbers = [(await cases.submitted(customers[1].ana))["number"]]

    class NumbersWithADouble(CaseNumbers):
        async def take(self) -> str:
            return numbers.pop() if numbers else await super().take()

    bounded = CasesSettings.model_validate({"PORTICO_SECRET_KEY": TEST_SECRET, "CASES_PER_COMPANY_AND_HOUR": "20"})
    now = datetime.now(UTC)  # of all, in the same hour

    async def submit() -> str:
        case, _ = await submit_case(
            cases.db,
            NumbersWithADouble(cases.db),
            customers[0].ana,
            SubmitCase.model_validate(a_case()),
            limits=Limits(),
            quota=bounded.quotas.cases,
            key=IdempotencyKey(uuid7(), ""),
            now=now,
        )
        return case.number

    answers = await asyncio.gather(*(submit() for _ in range(12)), return_exceptions=True)
    assert [type(answer) for answer in answers].count(DuplicateKey) == 1
    assert len({answer for answer in answers if isinstance(answer, str)}) == 11
    counter = await cases.db["quotas"].find_one({"_id": {"$regex": f"company/{customers[0].ana.company_id}"}})
    assert counter is not None
    assert counter["used"] == 11


async def test_what_is_asked_of_the_copies_is_read_from_indexes_and_in_one_read_for_all(
    cases: CasesApi, customers: list[Customer]
) -> None:
    database = cases.db["cases"].database
    kinds = (copies.USERS, copies.COMPANIES, copies.SITES, copies.DEVICES, copies.AGREEMENTS)
    for kind in kinds:
        await cases.db[kind].insert_many([{"of_nobody": n, "deleted": False} for n in range(300)])
    asked = [(customer.ana, wish) for customer in customers for wish in customer.wishes[:6]]
    async with held_up(cases) as gate:
        await database.command("profile", 2)
        submitting = asyncio.gather(*(cases.submit(by, **wish) for by, wish in asked))
        await gate.until_before_it(len(asked))
        gate.opened.set()
        answers = await submitting
        await database.command("profile", 0)
    for kind in kinds:
        await cases.db[kind].delete_many({"of_nobody": {"$exists": True}})
    assert [answer.status for answer in answers] == [201] * 24
    reads = await cases.db["system.profile"].find({"command.aggregate": {"$regex": "_copies$"}}).to_list(None)
    await cases.db["system.profile"].drop()
    # Who came first asked alone, perhaps, and all others together; eight ask once more for a verdict.
    assert 1 <= len(reads) < 12
    for read in reads:
        assert "COLLSCAN" not in read["planSummary"]
        assert read["docsExamined"] <= 2 * read["nreturned"]  # a device's agreement is no row of its own
    assert sum(read["nreturned"] for read in reads) >= 24


# Repeats


async def test_a_repeat_gets_its_case_though_the_site_is_closed_and_the_pin_revoked_since(
    timed: CasesApi, customers: list[Customer]
) -> None:
    acme = customers[0]
    body = a_case(serial=acme.serial, site_id=acme.site_id, pin=acme.pin)
    first = await timed.call("POST", "/cases", acme.ana, key="k", json=body)
    site = site_changed(acme.ana.company_id, site_id=acme.site_id, version=2, closed=True)
    for event in (site, company_changed(acme.ana.company_id, version=2)):
        await timed.hear(event)
    again = await timed.call("POST", "/cases", acme.ana, key="k", json=body)
    other = await timed.call("POST", "/cases", acme.ana, key="k", json=body | {"title": "Something else"})
    new = await timed.call("POST", "/cases", acme.ana, key="new", json=body)
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert (other.status, other.code, new.status, new.code) == (422, "idempotency_key_reused", 409, "not_yet_known")


async def test_a_repeat_takes_neither_its_files_from_the_case_nor_a_share_of_what_may_be_created(
    mongo_url: str,
) -> None:
    manager = an_actor(Role.CASE_MANAGER)
    luc, site = an_actor(Role.MEMBER, company_id=manager.company_id), site_changed(manager.company_id)
    # The hour does not end meanwhile.
    began = datetime.now(UTC).replace(minute=0, second=0) + timedelta(hours=1)
    bounds = UNBOUNDED | {"CASES_PER_USER_AND_HOUR": "2"}
    async with a_replica(mongo_url, lambda: began, **bounds) as cases:
        for event in (user_changed(luc), company_changed(manager.company_id), site):
            await cases.hear(event)
        file_id = await uploaded(cases, manager)
        body = a_case(submitter_id=str(luc.user_id), site_id=str(site.site_id), attachment_ids=[file_id])
        first = await cases.call("POST", "/cases", manager, key="k", json=body)
        demoted = replace(manager, role=Role.MEMBER)
        elsewhere = replace(manager, site_ids=frozenset({uuid7()}))
        for by in (manager, demoted, elsewhere):
            again = await cases.call("POST", "/cases", by, key="k", json=body)
            assert (again.status, again.body["number"]) == (201, first.body["number"])
            assert [each["id"] for each in again.body["attachments"]] == [file_id]
        kept = await cases.db["attachments"].find_one({"_id": file_id})
        assert kept is not None
        assert kept["entry_id"] is not None
        assert [(await cases.submit(manager)).status for _ in range(2)] == [201, 429]


# The answer


async def test_the_answer_to_a_submission_is_what_reading_the_case_answers(
    timed: CasesApi, customers: list[Customer], agent: Actor
) -> None:
    acme = customers[0]
    product = ProductChanged(
        product_id=uuid7(),
        product_number=f"P-{a_serial()}",
        name="Remote Graphics",
        line="Software",
        has_serials=False,
        version=1,
        at=NOW,
    )
    await timed.hear(product)
    file_id = await uploaded(timed, acme.ana)
    wishes: list[Json] = [*acme.wishes, {"product_number": product.product_number}, {"attachment_ids": [file_id]}]
    of_luc = acme.wishes[1] | {"submitter_id": str(acme.luc.user_id)}
    for by, wish in [*((acme.ana, wish) for wish in wishes), (agent, of_luc)]:
        case = await timed.submitted(by, **wish)
        assert case == (await timed.get(case["number"], by)).body


async def test_a_verdict_that_is_given_while_the_case_is_written_is_in_the_answer(
    cases: CasesApi, customers: list[Customer]
) -> None:
    acme, serial = customers[0], a_serial()

    class NumbersInAMoment(CaseNumbers):
        async def take(self) -> str:
            await cases.hear(device_changed(acme.ana.company_id, serial, acme.contract))
            return await super().take()

    case, history = await submit_case(
        cases.db,
        NumbersInAMoment(cases.db),
        acme.ana,
        SubmitCase.model_validate(a_case(serial=serial)),
        limits=Limits(),
        quota=CasesSettings.model_validate({"PORTICO_SECRET_KEY": TEST_SECRET}).quotas.cases,
        key=IdempotencyKey(uuid7(), ""),
        now=NOW,
    )
    assert (case.equipment.coverage.verdict, case.version, len(history.entries)) == ("covered", 2, 1)


# The database


@pytest.fixture
async def own(own_mongod: Mongod | ContainedMongod) -> AsyncIterator[CasesApi]:
    """The service with a database that nobody else has."""
    async with a_replica(own_mongod.url, **UNBOUNDED) as api:
        yield api


async def test_when_the_database_dies_amid_many_submissions_each_repeat_gets_one_case(
    own: CasesApi, own_mongod: Mongod | ContainedMongod
) -> None:
    ana = an_actor()
    bodies = {f"key-{n}": a_case() for n in range(80)}

    async def submit(key: str) -> Answer:
        return await own.call("POST", "/cases", ana, key=key, json=bodies[key])

    async def one_after_the_other(keys: list[str]) -> None:
        for key in keys:
            answers[key] = await submit(key)
            if len(answers) == 20:
                own_mongod.kill()
            if answers[key].status == 503:
                return

    answers: dict[str, Answer] = {}
    await asyncio.gather(*(one_after_the_other(list(bodies)[n::16]) for n in range(16)))
    assert {answer.status for answer in answers.values()} == {201, 503}
    await own_mongod.restart()
    await until_ready(own.client)
    again = {key: await submit(key) for key in bodies}
    assert {answer.status for answer in again.values()} == {201}
    told = {key: answer.body["number"] for key, answer in answers.items() if answer.status == 201}
    assert told == {key: again[key].body["number"] for key in told}
    assert len({answer.body["number"] for answer in again.values()}) == 80
    assert await own.db["cases"].count_documents({}) == 80


async def test_who_asks_with_others_is_refused_by_what_the_copies_say_of_its_own_question(
    cases: CasesApi, customers: list[Customer]
) -> None:
    numbers = CaseNumbers(cases.db)
    answers = await asyncio.gather(
        *(
            submit_case(
                cases.db,
                numbers,
                customer.ana,
                SubmitCase.model_validate(a_case(site_id=customers[0].site_id)),
                limits=Limits(),
                quota=CasesSettings.model_validate({"PORTICO_SECRET_KEY": TEST_SECRET}).quotas.cases,
                key=IdempotencyKey(uuid7(), ""),
                now=NOW,
            )
            for customer in customers
        ),
        return_exceptions=True,
    )
    assert [isinstance(answer, NotYetKnown) for answer in answers] == [False, True, True, True]

"""Coverage verdicts for the cases that wait for one, in whatever order the events come."""

from datetime import UTC, datetime

import pytest
from uuid_utils.compat import uuid7

from services.cases.attachments.domain.files import Limits
from services.cases.cases.domain.values import Change
from services.cases.cases.handlers.follow_ups import follow_up
from services.cases.cases.handlers.submission import submit_case
from services.cases.cases.handlers.verdicts import copy_devices
from services.cases.cases.store import CaseNumbers
from services.cases.copies.store import create_indexes
from services.cases.settings import CasesSettings
from shared.bus import Delivery
from shared.events.base import Event
from shared.idempotency import IdempotencyKey
from shared.logging import Origin
from shared.schemas.case_actions import FollowUpAction
from shared.schemas.cases import SubmitCase
from tests.builders import TEST_SECRET, Json, a_serial, an_actor
from tests.events import agreement_changed, device_changed
from tests.service.cases.conftest import CasesApi, a_case

NOW = datetime.now(UTC)
QUOTA = CasesSettings.model_validate({"PORTICO_SECRET_KEY": TEST_SECRET}).quotas.cases


class NumbersAfter(CaseNumbers):
    """Gives a number when the copies have been read already, and these events come just then."""

    def __init__(self, cases: CasesApi, *events: Event) -> None:
        super().__init__(cases.db)
        self.cases, self.events = cases, events

    async def take(self) -> str:
        for event in self.events:
            await self.cases.hear(event)
        return await super().take()


@pytest.mark.parametrize("agreement_first", [True, False])
async def test_an_unverified_case_gets_its_verdict_in_any_order_of_events(
    cases: CasesApi, *, agreement_first: bool
) -> None:
    ana, serial, contract = an_actor(), a_serial(), agreement_changed()
    case = await cases.submitted(ana, serial=serial)
    told = [
        contract,
        device_changed(ana.company_id, serial, contract, product_line="Printers", serial_label=f"{serial}-"),
    ]
    for event in told if agreement_first else reversed(told):
        await cases.hear(event)
    now = (await cases.get(case["number"], ana)).body
    assert (now["coverage"]["verdict"], now["product_name"]) == ("covered", "LaserPress 600")
    assert (now["product_line"], now["serial_label"]) == ("Printers", f"{serial}-")
    # contracts hears which agreements the open case cites now.
    assert (await cases.said(case["number"]))[-1]["agreement_ids"] == [str(contract.agreement_id)]


async def test_devices_that_come_together_each_give_their_own_case_its_verdict(cases: CasesApi) -> None:
    ana, other, serials, contract = an_actor(), an_actor(), [a_serial() for _ in range(3)], agreement_changed()
    by = [ana, ana, other]
    numbers = [
        (await cases.submitted(actor, serial=serial))["number"] for actor, serial in zip(by, serials, strict=True)
    ]
    await cases.hear(contract)
    devices = [device_changed(actor.company_id, serial, contract) for actor, serial in zip(by, serials, strict=True)]
    devices[1] = devices[1].model_copy(update={"deleted": True})
    await copy_devices(cases.db, [Delivery(device, Origin()) for device in devices])
    now = [(await cases.get(number, actor)).body for number, actor in zip(numbers, by, strict=True)]
    assert [case["coverage"]["verdict"] for case in now] == ["covered", "unverified", "covered"]


async def test_an_agreement_that_comes_late_gives_the_cases_begun_with_its_number_their_verdict(
    cases: CasesApi,
) -> None:
    ana, said = an_actor(), a_serial()
    case = await cases.submitted(ana, said=said.lower())
    foreign = await cases.submitted(an_actor(), said=said)
    closed = await cases.submitted(ana, said=said)
    await cases.act(closed["number"], ana, action="cancel", version=1, reason="Sent twice.")
    free = agreement_changed(said=said)
    own = free.model_copy(update={"company_id": ana.company_id, "version": 2})
    for event, verdict in ((free, "unverified"), (own, "covered"), (own, "covered")):
        await cases.hear(event)
        now = (await cases.get(case["number"], ana)).body
        assert now["coverage"]["verdict"] == verdict
    assert now["version"] == 2
    assert (await cases.said(case["number"]))[-1]["agreement_ids"] == [str(own.agreement_id)]
    for other in (foreign, closed):
        document = await cases.db["cases"].find_one({"number": other["number"]})
        assert document is not None
        assert document["equipment"]["coverage"]["verdict"] == "unverified"


@pytest.mark.parametrize("by_said", [True, False])
async def test_a_verdict_that_comes_while_its_case_is_being_written_is_not_missed(
    cases: CasesApi, *, by_said: bool
) -> None:
    ana, name = an_actor(), a_serial()
    contract = agreement_changed(said=name, company_id=ana.company_id)

    came = (contract,) if by_said else (contract, device_changed(ana.company_id, name, contract))
    case, _ = await submit_case(
        cases.db,
        NumbersAfter(cases, *came),
        ana,
        SubmitCase.model_validate(a_case(**{"said" if by_said else "serial": name})),
        limits=Limits(),
        quota=QUOTA,
        key=IdempotencyKey(uuid7(), ""),
        now=NOW,
    )
    assert (await cases.get(case.number, ana)).body["coverage"]["verdict"] == "covered"


async def test_nor_is_one_that_comes_while_a_follow_up_is_being_written(cases: CasesApi) -> None:
    ana, name = an_actor(), a_serial()
    number = (await cases.submitted(ana, serial=name))["number"]
    await cases.act(number, ana, action="close", version=1, reason="It prints.", resolved=True)
    contract = agreement_changed(company_id=ana.company_id)
    new, _ = await follow_up(
        cases.db,
        NumbersAfter(cases, contract, device_changed(ana.company_id, name, contract)),
        number,
        FollowUpAction(action="follow_up", description="It jams again, now in tray 2."),
        Change(ana, NOW, IdempotencyKey(uuid7(), "")),
        quota=QUOTA,
    )
    assert (await cases.get(new.number, ana)).body["coverage"]["verdict"] == "covered"


@pytest.mark.parametrize(
    ("index", "about"),
    [
        ("unverified", {"equipment.serial": {"$in": ["CN1", "CN2"]}}),
        ("unverified_said", {"equipment.said": "SA1", "equipment.serial": None}),
    ],
)
async def test_the_cases_that_wait_for_a_verdict_are_found_by_an_index(
    cases: CasesApi, index: str, about: Json
) -> None:
    await create_indexes(cases.db)
    wanted = {**about, "equipment.coverage.verdict": "unverified", "status": {"$in": ["new", "in_progress"]}}
    assert f"'indexName': '{index}'" in str(await cases.db["cases"].find(wanted).explain())


async def test_a_case_between_its_agreement_and_its_device_gets_the_verdict_of_the_devices_first_state(
    cases: CasesApi,
) -> None:
    ana, serial, contract = an_actor(), a_serial(), agreement_changed()
    await cases.hear(contract)
    case = await cases.submitted(ana, serial=serial)
    assert case["coverage"]["verdict"] == "unverified"
    first = device_changed(ana.company_id, serial, contract)
    for event in (first, first.model_copy(update={"version": 2})):
        await cases.hear(event)
    assert (await cases.get(case["number"], ana)).body["coverage"]["verdict"] == "covered"


async def test_an_older_state_of_a_device_never_overwrites_a_newer_one(cases: CasesApi) -> None:
    ana, serial = an_actor(), a_serial()
    newer = device_changed(ana.company_id, serial, version=3, product_name="LaserPress 700")
    older = newer.model_copy(update={"version": 2, "product_name": "LaserPress 600"})
    for event in (newer, older, newer):
        await cases.hear(event)
    assert (await cases.submitted(ana, serial=serial))["product_name"] == "LaserPress 700"

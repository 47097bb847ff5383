"""Contracts and cases say the same about coverage, whatever happened, and in whatever order cases heard of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from services.cases.cases.handlers.equipment import equipment_of, questions_about
from services.cases.consumers import SUBSCRIPTIONS
from services.cases.copies import store as copies
from services.contracts import linker, store
from services.contracts.domain.agreements import Agreement
from services.contracts.domain.devices import Device, look_alike_key
from services.contracts.domain.products import Product
from services.contracts.handlers.coverage import find_coverage
from services.contracts.store.agreements import AGREEMENTS
from services.contracts.store.devices import DEVICES
from services.contracts.store.products import PRODUCTS
from shared.coverage import AgreementKind
from shared.events.registry import EVENTS
from shared.mongo import Database, DuplicateKey
from shared.schemas.cases import SubmitCase
from shared.schemas.contracts import CoverageQuery
from tests.builders import MONGO_DRIVER, a_serial, an_actor
from tests.events import hear
from tests.platform.bus_helpers import a_database
from tests.service.cases.conftest import a_case

NOW = datetime.now(UTC)
CHANGES = 40


@dataclass
class History:
    """What happens at the vendor, by chance: the same for the same seed."""

    db: Database  # of contracts
    chance: Random
    companies: tuple[UUID, UUID] = field(default_factory=lambda: (uuid7(), uuid7()))
    products: list[Product] = field(default_factory=list)
    devices: list[UUID] = field(default_factory=list)
    agreements: list[UUID] = field(default_factory=list)
    serials: list[str] = field(default_factory=lambda: [a_serial() for _ in range(5)])
    saids: list[str] = field(default_factory=lambda: [a_serial() for _ in range(4)])

    async def begin(self) -> None:
        for has_serials in (True, False, False):
            product = Product.new(
                uuid7(), product_number=a_serial(), name="Thing", line="", has_serials=has_serials, now=NOW
            )
            self.products.append(await PRODUCTS.insert(self.db, product))

    async def go_on(self) -> None:
        changes = (self._new_device, self._new_agreement, self._change_device, self._change_agreement)
        await self.chance.choices(changes, weights=(3, 4, 3, 5))[0]()
        while await linker.link_next_agreement(self.db):
            pass

    async def events(self) -> list[Any]:
        """All that was ever sent, in any order, some of it twice."""
        ids = [*self.devices, *self.agreements, *(product.id for product in self.products)]
        pending = [
            event
            for documents in (PRODUCTS, DEVICES, AGREEMENTS)
            async for document in self.db[documents.collection].find({"_id": {"$in": ids}})
            for event in document["pending"]
        ]
        pending += self.chance.sample(pending, k=len(pending) // 3)
        self.chance.shuffle(pending)
        return [EVENTS[event["type"]].model_validate(event["body"]) for event in pending]

    def _somebody(self) -> UUID | None:
        return self.chance.choice((*self.companies, None))

    def _days(self) -> tuple[date, date]:
        start = NOW.date() + timedelta(days=self.chance.randint(-60, 20))
        return start, start + timedelta(days=self.chance.randint(20, 120))

    async def _new_device(self) -> None:
        serial, company_id = self.chance.choice(self.serials), self._somebody()
        waiting = await store.linking.find_waiting_agreements(self.db, serial, company_id=company_id)
        device = Device.new(
            uuid7(), serial=serial, serial_label=serial, product=self.products[0], company_id=company_id,
            site_id=None, agreement_ids=waiting, now=NOW,
        )  # fmt: skip
        try:
            await DEVICES.insert(self.db, device)
        except DuplicateKey:
            return
        self.devices.append(device.id)

    async def _new_agreement(self) -> None:
        kind = self.chance.choice(list(AgreementKind))
        has_said = kind is AgreementKind.SERVICE_CONTRACT or self.chance.random() < 0.3
        start, end = self._days()
        agreement = Agreement.new(
            uuid7(), kind=kind, said=self.chance.choice(self.saids) if has_said else None, sar=None,
            company_id=self._somebody(), level=self.chance.choice("ABC"), start=start, end=end,
            serials=self.chance.sample(self.serials, k=self.chance.randint(0, 3)),
            product_numbers=[each.product_number for each in self.products[1:] if self.chance.random() < 0.4],
            now=NOW,
        )  # fmt: skip
        try:
            await AGREEMENTS.insert(self.db, agreement)
        except DuplicateKey:
            return
        self.agreements.append(agreement.id)

    async def _change_device(self) -> None:
        if not self.devices:
            return
        device = await DEVICES.get(self.db, {"_id": self.chance.choice(self.devices)})
        serial = self.chance.choice((device.serial, *self.serials))
        changed = replace(device, company_id=self._somebody(), serial=serial, look_alike=look_alike_key(serial))
        event = changed.changed_event(version=device.version + 1, now=NOW)
        try:
            await DEVICES.save(self.db, replace(changed, events=(event,)))
        except DuplicateKey:
            return

    async def _change_agreement(self) -> None:
        if not self.agreements:
            return
        agreement = await AGREEMENTS.get(self.db, {"_id": self.chance.choice(self.agreements)})
        start, end = self._days()
        changes: list[dict[str, Any]] = [
            {"company_id": self._somebody()},
            {"start": start, "end": end},
            {"deleted_at": None if agreement.deleted_at else NOW},
            {"product_numbers": (self.chance.choice(self.products[1:]).product_number,)},
        ]
        changed = replace(agreement, **self.chance.choice(changes))
        await AGREEMENTS.save(self.db, changed.with_event(version=agreement.version + 1, now=NOW))


@pytest.fixture
async def contracts_db(mongo_url: str) -> AsyncIterator[Database]:
    async with a_database(mongo_url, MONGO_DRIVER) as db:
        await store.create_indexes(db)
        yield db


@pytest.fixture
async def cases_db(mongo_url: str) -> AsyncIterator[Database]:
    async with a_database(mongo_url, MONGO_DRIVER) as db:
        await copies.create_indexes(db)
        yield db


async def test_two_services_say_the_same_about_coverage(contracts_db: Database, cases_db: Database) -> None:
    verdicts: list[str] = []
    for seed in range(6):
        history = History(contracts_db, Random(seed))
        await history.begin()
        for _ in range(CHANGES):
            await history.go_on()
        for event in await history.events():
            await hear(SUBSCRIPTIONS, cases_db, event)
        for company_id in history.companies:
            asked = [{"serial": serial} for serial in history.serials]
            asked += [{"said": said} for said in history.saids]
            asked += [{"product_number": product.product_number} for product in history.products[1:]]
            for about in asked:
                by_contracts = await _say_contracts(contracts_db, company_id, about)
                assert await _say_cases(cases_db, company_id, about) == by_contracts, (seed, about)
                verdicts.append(by_contracts["coverage"].verdict)
    # The histories come to everything that can be said, each of it often.
    assert min(verdicts.count(verdict) for verdict in ("covered", "not_covered", "unverified")) > 10


async def _say_contracts(db: Database, company_id: UUID, about: dict[str, str]) -> dict[str, Any]:
    found = await find_coverage(db, an_actor(company_id=company_id), CoverageQuery.model_validate(about), now=NOW)
    said = next((agreement.said for agreement in found.agreements if agreement.said), about.get("said"))
    ids = tuple(agreement.id for agreement in found.agreements)
    return {"coverage": found.coverage, "said": said, "agreement_ids": ids}


async def _say_cases(db: Database, company_id: UUID, about: dict[str, str]) -> dict[str, Any]:
    body = {**a_case(), "serial": None} | about
    case = SubmitCase.model_validate(body)
    serial = case.serial.serial if case.serial else None
    asked = questions_about(company_id, serial=serial, said=case.said, product_number=case.product_number)
    found = equipment_of(company_id, case, await copies.find_copies(db, asked), now=NOW)
    return {"coverage": found.coverage, "said": found.said, "agreement_ids": found.agreement_ids}

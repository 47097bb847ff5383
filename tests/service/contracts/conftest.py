"""The contracts service with a real MongoDB, and no broker."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from services.contracts import store
from services.contracts.app import create_app
from services.contracts.consumers import SUBSCRIPTIONS
from services.contracts.settings import ContractsSettings
from shared.actor import Actor, Role
from shared.events.base import Event
from shared.mongo import Database
from shared.settings import read
from shared.web.app import DATABASE
from tests.builders import (
    MONGO_DRIVER,
    TEST_SECRET,
    UNREACHABLE_BROKER,
    Json,
    a_serial,
    an_actor,
    json_of,
    signed,
    until_ready,
)
from tests.client import client_of
from tests.events import company_changed, hear, site_changed

Client = TestClient[web.Request, web.Application]


@dataclass(frozen=True)
class Contracts:
    """The service as its callers know it, and its database."""

    client: Client
    db: Database
    vendor: Actor

    async def hear(self, event: Event) -> None:
        await hear(SUBSCRIPTIONS, self.db, event)

    async def a_company(self, *, time_zone: str = "UTC", is_vendor: bool = False) -> UUID:
        company_id = uuid7()
        await self.hear(company_changed(company_id, time_zone=time_zone, is_vendor=is_vendor))
        return company_id

    async def a_site(self, company_id: UUID) -> UUID:
        site_id = uuid7()
        await self.hear(site_changed(company_id, site_id=site_id))
        return site_id

    async def a_product(self, **other: Any) -> Json:
        body = {"product_number": a_serial(), "name": "LaserJet 4", "line": "Printers"} | other
        return await self.post("/vendor/products", body)

    async def a_device(self, company_id: UUID | None = None, **other: Any) -> Json:
        body: Json = {"serial": a_serial(), **other}
        if "product_number" not in body:
            body["product_number"] = (await self.a_product())["product_number"]
        if company_id:
            body["company_id"] = str(company_id)
        return await self.post("/vendor/devices", body)

    async def an_agreement(self, **other: Any) -> Json:
        body = {"kind": "base_warranty", "level": "Basic", "start": "2020-01-01", "end": "2099-12-31"} | other
        return await self.post("/vendor/agreements", body)

    async def post(self, path: str, body: Json, *, by: Actor | None = None, key: str | None = None) -> Json:
        headers = {"Idempotency-Key": key} if key else {}
        answered: Json = await json_of(self.client, "POST", path, by or self.vendor, json=body, headers=headers)
        return answered

    async def get(self, path: str, *, by: Actor, **query: str) -> Json:
        answered: Json = await json_of(self.client, "GET", path, by, params=query)
        return answered

    async def refused(self, method: str, path: str, *, by: Actor | None, **request: Any) -> tuple[int, str]:
        problem = await self.problem(method, path, by=by, **request)
        return problem["status"], problem["code"]

    async def problem(
        self, method: str, path: str, *, by: Actor | None, key: str | None = None, **request: Any
    ) -> Json:
        """What says why it was refused."""
        headers = signed(by) | ({"Idempotency-Key": key} if key else {})
        async with self.client.request(method, path, headers=headers, **request) as response:
            body: Json = await response.json()
            assert response.status >= 400, body
            return body

    async def coverage(self, *, by: Actor, **query: str) -> Json:
        return await self.get("/coverage", by=by, **query)

    async def linked(self, agreement: Json) -> None:
        """Wait until every serial of an agreement has its device."""

        async def nothing_left() -> bool:
            return await store.agreements.count_to_link(self.db, UUID(agreement["id"])) == 0

        assert await until(nothing_left, deadline_s=30, pause_s=0.05)

    async def said(self, collection: str, document_id: str) -> list[Json]:
        """What would be said of a document: its pending events."""
        document = await self.db[collection].find_one({"_id": UUID(document_id)})
        assert document is not None
        return [{"type": each["type"], **each["body"]} for each in document["pending"]]


@pytest.fixture(scope="session")
async def contracts(mongo_url: str) -> AsyncIterator[Contracts]:
    settings = read(
        ContractsSettings,
        {
            "MONGO_URL": mongo_url,
            "MONGO_DRIVER": MONGO_DRIVER,
            "RABBITMQ_URL": UNREACHABLE_BROKER,
            "PORTICO_SECRET_KEY": TEST_SECRET,
        },
    )
    app = create_app(settings)
    async with client_of(app) as client:
        await until_ready(client)
        db = app[DATABASE]
        await store.create_indexes(db)
        yield Contracts(client, db, an_actor(Role.VENDOR_ADMIN))

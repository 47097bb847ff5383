"""The cases service on a real mongod, spoken to as the gateway does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from services.cases.app import create_app
from services.cases.cases.store import counters, history
from services.cases.consumers import SUBSCRIPTIONS
from services.cases.settings import CasesSettings
from shared.actor import Actor, Role
from shared.events.base import Event
from shared.mongo import Database
from shared.web.app import CLOCK, DATABASE
from tests.builders import (
    MONGO_DRIVER,
    TEST_SECRET,
    UNREACHABLE_BROKER,
    Json,
    a_contact,
    an_actor,
    an_address,
    signed,
    until_ready,
)
from tests.client import Answer, answer_of, client_of
from tests.events import hear
from tests.unbounded import UNBOUNDED


class CasesApi:
    """The service's HTTP, and the events it hears."""

    def __init__(self, client: TestClient[Any, Any], db: Database) -> None:
        self.client = client
        self.db = db

    async def call(self, method: str, path: str, by: Actor | None, *, key: str | None = None, **request: Any) -> Answer:
        headers = signed(by) | request.pop("headers", {})
        if key is not None:
            headers["Idempotency-Key"] = key
        async with self.client.request(method, path, headers=headers, **request) as response:
            return await answer_of(response)

    async def submit(self, by: Actor, *, key: str | None = None, **fields: Any) -> Answer:
        return await self.call("POST", "/cases", by, key=key, json=a_case(**fields))

    async def submitted(self, by: Actor, **fields: Any) -> Json:
        answer = await self.submit(by, **fields)
        assert answer.status == 201, answer.body
        body: Json = answer.body
        return body

    async def get(self, number: str, by: Actor) -> Answer:
        return await self.call("GET", f"/cases/{number}", by)

    async def act(self, number: str, by: Actor, *, key: str | None = None, **action: Any) -> Answer:
        return await self.call("POST", f"/cases/{number}/actions", by, key=key, json=action)

    async def agent_act(self, number: str, by: Actor, *, key: str | None = None, **action: Any) -> Answer:
        return await self.call("POST", f"/agent/cases/{number}/actions", by, key=key, json=action)

    async def listed(self, by: Actor, **query: Any) -> list[str]:
        answer = await self.call("GET", "/cases", by, params=query)
        assert answer.status == 200, answer.body
        return [row["number"] for row in answer.body["items"]]

    async def hear(self, event: Event) -> None:
        """As the bus would hand it over: through JSON."""
        await hear(SUBSCRIPTIONS, self.db, type(event).model_validate_json(event.model_dump_json()))

    async def said(self, number: str) -> list[Json]:
        """The events that this case's changes caused and that wait for the bus: type and body."""
        document = await self.db["cases"].find_one({"number": number})
        assert document is not None
        return [{"type": item["type"], **item["body"]} for item in document["pending"]]


def a_case(**fields: Any) -> Json:
    """A case body that is accepted: an unknown serial, another address than a site's."""
    body: Json = {
        "serial": "CNB7K2041X",
        "title": "Paper jam in tray 3",
        "description": "The printer jams on every second page since this morning.",
        "severity": 3,
        "contact": a_contact(),
        "equipment_address": an_address(),
    }
    if "product_number" in fields or "said" in fields:
        del body["serial"]
    if "site_id" in fields:
        del body["equipment_address"]
    return body | fields


class Hands:
    """A clock that stands still until a test moves it."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **span: float) -> None:
        """Goes on, by seconds, hours, days."""
        self.now += timedelta(**span)


HANDS = Hands()


@pytest.fixture(scope="module")
async def timed(mongo_url: str) -> AsyncIterator[CasesApi]:
    """The service by the clock of `HANDS`; a file sets it before each of its tests."""
    async with a_replica(mongo_url, HANDS, **UNBOUNDED) as api:
        yield api


@asynccontextmanager
async def a_replica(
    mongo_url: str, clock: Callable[[], datetime] | None = None, /, **environment: str
) -> AsyncIterator[CasesApi]:
    """The service with settings of its own, on the same database as the others."""
    settings = CasesSettings.model_validate(
        {
            "PORTICO_SECRET_KEY": TEST_SECRET,
            "MONGO_URL": mongo_url,
            "MONGO_DRIVER": MONGO_DRIVER,
            "RABBITMQ_URL": UNREACHABLE_BROKER,
            **environment,
        }
    )
    app = create_app(settings)
    if clock is not None:
        app[CLOCK] = clock
    async with client_of(app) as client:
        await until_ready(client)
        yield CasesApi(client, app[DATABASE])


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the last of many who write to one case waits longer than a customer would."""
    monkeypatch.setattr(history, "_TURN_WITHIN_S", 60)


@pytest.fixture(scope="session")
def counting() -> Iterator[asyncio.Lock]:
    """Who holds it knows that no worker counts cases meanwhile: one that was at it has ended."""
    turn, count_changed = asyncio.Lock(), counters.count_changed

    async def count_in_turn(db: Database) -> bool:
        async with turn:
            return await count_changed(db)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counters, "count_changed", count_in_turn)
        yield turn


@pytest.fixture(scope="session")
async def cases(mongo_url: str, counting: asyncio.Lock) -> AsyncIterator[CasesApi]:
    async with a_replica(mongo_url, **UNBOUNDED) as api:
        yield api


@pytest.fixture
def agent() -> Actor:
    """Somebody of the vendor's."""
    return an_actor(Role.AGENT, name="Marek Kowal")

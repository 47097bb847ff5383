"""The notifications service with a real MongoDB and a real SMTP server, and no broker."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from services.notifications import app as notifications_app
from services.notifications import handlers, store
from services.notifications.app import create_app
from services.notifications.consumers import subscriptions
from services.notifications.domain import delivery
from services.notifications.pace import Pace
from services.notifications.settings import NotificationsSettings
from shared.actor import Actor, Role
from shared.bus import Handler, Many, Subscriptions
from shared.events.base import Addressee, Event, Relation
from shared.events.cases import CaseClosed, CaseCreated
from shared.events.identity import CompanyChanged, InvitationIssued, UserChanged, VerificationRequested
from shared.mongo import Database, connect
from shared.schemas.notifications import CASE_MAIL_KINDS
from shared.settings import read
from shared.web.app import DATABASE
from tests.builders import (
    MONGO_DRIVER,
    TEST_SECRET,
    UNREACHABLE_BROKER,
    Json,
    an_actor,
    json_of,
    signed,
    until_ready,
)
from tests.client import client_of
from tests.events import company_changed, hear, user_changed
from tests.scripted_smtp import ScriptedSmtp

Client = TestClient[web.Request, web.Application]


def now() -> datetime:
    return datetime.now(UTC)


def a_user(company_id: UUID | None = None, **other: Any) -> UserChanged:
    return user_changed(an_actor(Role.MEMBER, company_id=company_id), **other)


def named(user: UserChanged, relation: Relation = "submitter", *, email: str | None = None) -> Addressee:
    return Addressee(relation=relation, user_id=user.user_id, name=user.name, email=email or user.contact_email)


def stranger(email: str, relation: Relation = "contact") -> Addressee:
    return Addressee(relation=relation, user_id=None, name="Luc Petit", email=email)


def a_created_case(company_id: UUID, *people: Addressee) -> CaseCreated:
    return CaseCreated(
        at=now(),
        case_id=uuid7(),
        number="1000000009",
        company_id=company_id,
        version=1,
        title="It smokes",
        product_name="LaserJet 4",
        people=people,
        severity=2,
        created_by=uuid7(),
    )


def a_closed_case(created: CaseCreated) -> CaseClosed:
    fields = created.model_dump(exclude={"id", "severity", "created_by", "version"})
    return CaseClosed(
        **fields, version=2, outcome="closed", closed_by=uuid7(), closed_by_name="Max Lang", reason="Done"
    )


def an_invitation(email: str, **other: Any) -> InvitationIssued:
    values: dict[str, Any] = {
        "at": now(),
        "invitation_id": uuid7(),
        "generation": 1,
        "company_id": uuid7(),
        "company_name": "Acme SA",
        "email": email,
        "inviter_name": "Eva Roy",
        "expires_at": now() + timedelta(days=7),
    }
    return InvitationIssued(**(values | other))


def a_verification(email: str, **other: Any) -> VerificationRequested:
    values: dict[str, Any] = {
        "at": now(),
        "verification_id": uuid7(),
        "generation": 1,
        "email": email,
        "name": "Ana",
        "expires_at": now() + timedelta(minutes=10),
    }
    return VerificationRequested(**(values | other))


def a_company(company_id: UUID, *, version: int = 1, suspended: bool = False) -> CompanyChanged:
    return company_changed(company_id, version=version, suspended=suspended)


ALL_ON = dict.fromkeys(CASE_MAIL_KINDS, True)


def _without_labels(preferences: Json) -> Json:
    return {name: value for name, value in preferences.items() if name != "labels"}


@dataclass(frozen=True)
class Notifications:
    """The service as its callers know it, its database, and the server it sends to."""

    client: Client
    db: Database
    smtp: ScriptedSmtp
    subscriptions: Subscriptions

    async def hear(self, *events: Event) -> None:
        for event in events:
            await hear(self.subscriptions, self.db, event)

    async def rows(self, event: Event) -> list[Json]:
        return await self.db["mails"].find({"event_id": event.id}).sort("created_at").to_list()

    async def settled(self, event: Event) -> dict[str, Json]:
        """The rows of an event by address, once nothing of them is left to do."""
        return await self.once(event, lambda row: row["state"] in {"sent", "failed", "suppressed"})

    async def once(self, event: Event, condition: Callable[[Json], bool]) -> dict[str, Json]:
        """The rows of an event by address, once the condition holds for each."""

        async def all_are() -> bool:
            return all(condition(row) for row in await self.rows(event))

        done = await until(all_are, deadline_s=60, pause_s=0.02)
        rows = await self.rows(event)
        assert done, [(row["state"], row["reason"], row["smtp_reply"]) for row in rows]
        return {row["email"]: row for row in rows}

    async def opt_out(self, actor: Actor, **kinds: bool) -> Json:
        body = {"case_emails": bool(kinds), "kinds": kinds}
        answered = await json_of(self.client, "PUT", "/notification-preferences", actor, json=body)
        return _without_labels(answered)

    async def switches(self, actor: Actor) -> Json:
        """What the actor has chosen."""
        return _without_labels(await self.get("/notification-preferences", actor))

    async def get(self, path: str, actor: Actor, **query: str) -> Json:
        answered: Json = await json_of(self.client, "GET", path, actor, params=query)
        return answered

    async def refused(self, method: str, path: str, actor: Actor | None, **request: Any) -> tuple[int, str]:
        async with self.client.request(method, path, headers=signed(actor), **request) as response:
            body = await response.json()
            assert response.status >= 400, body
            return response.status, body["code"]


@pytest.fixture
async def notifications(
    mongo_url: str, smtp_server: ScriptedSmtp, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Notifications]:
    monkeypatch.setattr(delivery, "_FIRST_WAIT_S", 0.1)
    settings = read(
        NotificationsSettings,
        {
            "MONGO_URL": mongo_url,
            "MONGO_DRIVER": MONGO_DRIVER,
            "RABBITMQ_URL": UNREACHABLE_BROKER,
            "PORTICO_SECRET_KEY": TEST_SECRET,
            "PORTICO_SMTP_URL": smtp_server.url,
            "PORTICO_BASE_URL": "http://portal.example",
        },
    )
    heard: dict[type[Event], Handler | Many] = {}

    def remembered(put: handlers.Put) -> Subscriptions:
        heard.update(subscriptions(put))
        return heard

    monkeypatch.setattr(notifications_app, "subscriptions", remembered)
    app = create_app(settings, Pace(look_every_s=0.05, longest_hold_s=0.2, user_unknown_s=0.1))
    # Not the last test's leftovers: they were for servers that are gone.
    await app[DATABASE]["mails"].delete_many({})
    await store.create_indexes(app[DATABASE])
    async with client_of(app) as client:
        await until_ready(client)
        yield Notifications(client, app[DATABASE], smtp_server, heard)


@asynccontextmanager
async def a_ledger(mongo_url: str) -> AsyncIterator[Database]:
    """A new database, dropped afterwards; it costs as much as many mails, so take `ledger` where one will do."""
    db = connect(mongo_url, f"test_{uuid4().hex}", MONGO_DRIVER)
    try:
        await store.create_indexes(db)
        yield db
    finally:
        await db.drop()
        await db.close()


@pytest.fixture(scope="session")
async def shared_ledger(mongo_url: str) -> AsyncIterator[Database]:
    """One for all tests that have senders of their own. Take `ledger`, which is empty."""
    async with a_ledger(mongo_url) as db:
        yield db


@pytest.fixture
async def ledger(shared_ledger: Database) -> Database:
    """A database without a document, in which no service looks for mails; whose test starts a sender ends it."""
    database = shared_ledger["mails"].database
    for name in await database.list_collection_names():
        if not name.startswith("system."):
            await shared_ledger[name].delete_many({})
    return shared_ledger

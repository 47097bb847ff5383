"""Identity with a real database; the broker is away, so its events wait in the documents."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from aiohttp.test_utils import TestClient
from argon2 import PasswordHasher
from pymongo import AsyncMongoClient, monitoring

from services.identity import fair_queue, store
from services.identity.api.app_keys import PASSWORDS
from services.identity.app import create_app
from services.identity.passwords import Passwords
from services.identity.settings import IdentitySettings
from shared.actor import Actor, Role, Visibility
from shared.codes import Purpose, digit_code, link_code
from shared.mongo import Database, Document
from shared.web.app import CLOCK, DATABASE
from tests.builders import MONGO_DRIVER, TEST_SECRET, UNREACHABLE_BROKER, Json, an_actor, an_email, signed, until_ready
from tests.client import Answer, answer_of, client_of

PASSWORD = "seven green kites over Lyon"


def _this_second() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass
class Clock:
    """Time that a test may move."""

    now: datetime = field(default_factory=_this_second)

    def reset(self) -> None:
        self.now = _this_second()

    def tell(self) -> datetime:
        return self.now

    def pass_by(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass(frozen=True)
class IdentityApi:
    """Identity as the gateway calls it, and what stands in its database."""

    client: TestClient[Any, Any]
    db: Database
    clock: Clock
    passwords: Passwords

    async def call(
        self, method: str, path: str, body: Any = None, *, by: Actor | None = None, **headers: str
    ) -> Answer:
        sent = {"json": body} if body is not None else {}
        async with self.client.request(method, path, headers=signed(by, **headers), **sent) as response:
            return await answer_of(response)

    async def get(self, path: str, *, by: Actor | None = None) -> Answer:
        return await self.call("GET", path, by=by)

    async def find(self, path: str, *, by: Actor | None = None, **query: str) -> Answer:
        return await self.get(f"{path}?{urlencode(query)}", by=by)

    async def post(self, path: str, body: Any = None, *, by: Actor | None = None, **headers: str) -> Answer:
        return await self.call("POST", path, {} if body is None else body, by=by, **headers)

    async def a_company(self, **values: Any) -> Json:
        answer = await self.post("/vendor/companies", {"name": "Acme SA"} | values, by=an_actor(Role.VENDOR_ADMIN))
        assert answer.status == 201, answer
        return dict(answer.body)

    async def invited(self, company: Json, email: str, **values: Any) -> Document:
        """Invites by the vendor; the invitation as it stands in the database."""
        wanted = {"invitations": [{"email": email, "role": Role.COMPANY_ADMIN} | values]}
        path = f"/vendor/companies/{company['id']}/invitations"
        answer = await self.post(path, wanted, by=an_actor(Role.VENDOR_ADMIN))
        assert answer.status == 201, answer
        return await self.document("invitations", answer.body["items"][0]["id"])

    async def accepted(self, invitation: Document, *, browser: str = "", **values: Any) -> Answer:
        newcomer = {"first_name": "Ana", "last_name": "Duarte", "password": PASSWORD} | values
        path = f"/invitations/{invitation_code(invitation)}/accept"
        return await self.post(path, newcomer, x_portico_browser=browser)

    async def open_verification(self, email: str) -> Document:
        found = await self.db["verifications"].find_one({"email": email, "state": "open"})
        assert found is not None
        return found

    async def verified(self, email: str) -> Answer:
        code = verification_code(await self.open_verification(email))
        return await self.post("/registrations/verify", {"email": email, "code": code})

    async def a_user(self, company: Json | None = None, **values: Any) -> Actor:
        """Somebody who went the whole way from the invitation to the verified login."""
        email = an_email()
        company = company or await self.a_company()
        assert (await self.accepted(await self.invited(company, email, **values))).status == 202
        assert (await self.verified(email)).status == 200
        return await self.actor(email, company)

    async def actor(self, email: str, company: Json) -> Actor:
        document = await self.db["users"].find_one({"login_email": email, "company_id": UUID(company["id"])})
        assert document is not None
        user = store.USERS.load(document)
        return user.as_actor(
            company_name=company.get("name", "Acme SA"),
            visibility=Visibility(company.get("visibility", "company")),
            suspended=False,
            address="127.0.0.1",
        )

    async def document(self, collection: str, document_id: str | UUID) -> Document:
        found = await self.db[collection].find_one({"_id": UUID(str(document_id))})
        assert found is not None
        return found

    async def said(self, collection: str, document_id: str | UUID) -> list[Json]:
        """What a document would tell others, oldest first."""
        document = await self.document(collection, document_id)
        return [{"type": item["type"], **item["body"]} for item in document["pending"]]

    async def sign_in(self, email: str, password: str = PASSWORD, **headers: str) -> Answer:
        return await self.call("POST", "/session", {"email": email, "password": password}, by=None, **headers)


def invitation_code(invitation: Document, *, generation: int | None = None) -> str:
    """The code as the mail would carry it."""
    return link_code(TEST_SECRET, Purpose.INVITATION, invitation["_id"], generation or invitation["generation"])


def verification_code(verification: Document) -> str:
    """The code as the mail would carry it."""
    return digit_code(TEST_SECRET, Purpose.VERIFICATION, verification["_id"], verification["generation"])


def another_code(code: str) -> str:
    """Six digits that are not the code."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


@pytest.fixture(scope="session")
async def shared_identity(mongo_url: str) -> AsyncIterator[IdentityApi]:
    """One service for all tests, with cheap hashes. Take `identity`, which sets its clock."""
    async with an_identity(mongo_url) as service:
        service.passwords._hasher = hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        service.passwords._nobodys = hasher.hash("the password of nobody")
        yield service


@pytest.fixture
def identity(shared_identity: IdentityApi, monkeypatch: pytest.MonkeyPatch) -> IdentityApi:
    """The service at the present time; nobody is sent away because this machine is slow."""
    monkeypatch.setattr(fair_queue, "MOST_WAIT_S", 60.0)
    shared_identity.clock.reset()
    return shared_identity


@asynccontextmanager
async def an_identity(mongo_url: str, **environment: str) -> AsyncIterator[IdentityApi]:
    """The same with settings of its own, on the same database as the others."""
    settings = IdentitySettings.model_validate(
        {
            "PORTICO_SECRET_KEY": TEST_SECRET,
            "MONGO_URL": mongo_url,
            "MONGO_DRIVER": MONGO_DRIVER,
            "RABBITMQ_URL": UNREACHABLE_BROKER,
            **environment,
        }
    )
    app = create_app(settings)
    clock = Clock()
    app[CLOCK] = clock.tell
    await store.create_indexes(app[DATABASE])
    async with client_of(app) as client:
        await until_ready(client)
        yield IdentityApi(client, app[DATABASE], clock, app[PASSWORDS])


class _Commands(monitoring.CommandListener):
    """What the database is asked."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.seen.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Of no interest."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Of no interest."""


@pytest.fixture
async def watched(identity: IdentityApi, mongo_url: str) -> AsyncIterator[tuple[Database, list[str]]]:
    """The same database by a client of its own, and the commands that it was sent."""
    commands = _Commands()
    client: AsyncMongoClient[Document] = AsyncMongoClient(mongo_url, event_listeners=[commands])
    db = Database(client, identity.db.name)
    await db.ping()
    yield db, commands.seen
    await db.close()

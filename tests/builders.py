"""Values for tests: each builder gives something valid, and takes what the test is about."""

import os
import secrets
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from aiohttp.test_utils import TestClient
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from shared.actor import Actor, Role, Visibility
from shared.mongo import Driver
from shared.signing import ACTOR_HEADER, actor_key, sign

TEST_SECRET = "a-secret-for-tests-only-0123456789abcdef"  # guards nothing
UNREACHABLE_BROKER = "amqp://127.0.0.1:1/"
# `MONGO_DRIVER=motor pytest tests/service` runs the services on the other driver.
MONGO_DRIVER = cast("Driver", os.environ.get("MONGO_DRIVER", "pymongo"))
Json = dict[str, Any]


def an_email(name: str = "ana") -> str:
    """An address nobody else in the test run has."""
    return f"{name}.{secrets.token_hex(6)}@example.com"


def a_serial() -> str:
    """A serial number nobody else in the test run has."""
    return f"CN{secrets.token_hex(6).upper()}"


def an_actor(role: Role = Role.COMPANY_ADMIN, *, company_id: UUID | None = None, **other: Any) -> Actor:
    """A user of a company of its own, unless one is given."""
    email = an_email()
    values: dict[str, Any] = {
        "user_id": uuid7(),
        "login_id": uuid7(),
        "company_id": company_id or uuid7(),
        "company_name": "Acme SA",
        "role": role,
        "name": "Ana Duarte",
        "email": email,
        "login_email": email,
        "visibility": Visibility.COMPANY,
        "address": "127.0.0.1",
    }
    values |= other
    return Actor(**(values | {"visibility": Visibility(values["visibility"])}))


def signed(actor: Actor | None, **headers: str) -> dict[str, str]:
    """Request headers as the gateway would send them for this actor."""
    proof = {ACTOR_HEADER: sign(actor, key=actor_key(TEST_SECRET), now=datetime.now(UTC))} if actor else {}
    return {**proof, **{name.replace("_", "-"): value for name, value in headers.items()}}


def a_contact(**other: Any) -> Json:
    """A contact body."""
    return {
        "first_name": "Luc",
        "last_name": "Petit",
        "email": an_email("luc"),
        "phone": "+33472000000",
    } | other


def an_address(**other: Any) -> Json:
    """An address body."""
    return {
        "company_name": "Acme SA",
        "address_line_1": "1 rue de la Paix",
        "city": "Lyon",
        "postal_code": "69001",
        "country": "FR",
    } | other


async def json_of(client: TestClient[Any, Any], method: str, path: str, actor: Actor | None, **request: Any) -> Any:
    """The JSON that a service answers an actor; fails the test when it is not a success."""
    headers = signed(actor) | request.pop("headers", {})
    async with client.request(method, path, headers=headers, **request) as response:
        body = await response.json() if response.content_type.endswith("json") else await response.text()
        assert response.status < 300, (response.status, body)
        return body


async def until_ready(client: TestClient[Any, Any]) -> None:
    """Waits until a service has its indexes and answers."""

    async def is_ready() -> bool:
        async with client.get("/readyz") as response:
            return response.status == 200

    assert await until(is_ready, deadline_s=30, pause_s=0.02), "the service did not get ready"

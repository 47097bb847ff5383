"""Events for tests, as the services that own the documents publish them: each builder gives something valid."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.actor import Actor
from shared.bus import Delivery, Many, Subscriptions
from shared.events.base import Event
from shared.events.contracts import AgreementChanged, DeviceChanged
from shared.events.identity import CompanyChanged, SiteChanged, UserChanged
from shared.logging import origin
from shared.mongo import Database
from tests.builders import an_address


async def hear(subscriptions: Subscriptions, db: Database, event: Event) -> None:
    """Gives an event to its handler, as the consumer does with one that comes alone."""
    handler = subscriptions[type(event)]
    if isinstance(handler, Many):
        await handler.handler(db, [Delivery(event, origin.get())])
    else:
        await handler(db, event)


def user_changed(actor: Actor, *, version: int = 1, **other: Any) -> UserChanged:
    """The state of this actor."""
    values: dict[str, Any] = {
        "user_id": actor.user_id,
        "company_id": actor.company_id,
        "login_email": actor.login_email,
        "contact_email": actor.email,
        "name": actor.name,
        "role": actor.role,
        "language": actor.language,
        "time_zone": actor.time_zone,
        "version": version,
        "at": datetime.now(UTC),
    }
    return UserChanged(**(values | other))


def company_changed(company_id: UUID, *, version: int = 1, **other: Any) -> CompanyChanged:
    values: dict[str, Any] = {
        "company_id": company_id,
        "name": "Acme SA",
        "time_zone": "UTC",
        "version": version,
        "at": datetime.now(UTC),
    }
    return CompanyChanged(**(values | other))


def site_changed(company_id: UUID, *, version: int = 1, **other: Any) -> SiteChanged:
    values: dict[str, Any] = {
        "site_id": uuid7(),
        "company_id": company_id,
        "name": "Lyon",
        "version": version,
        "at": datetime.now(UTC),
        **an_address(),
    }
    return SiteChanged(**(values | other))


def agreement_changed(**other: Any) -> AgreementChanged:
    """A service contract that runs now."""
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "agreement_id": uuid7(),
        "agreement_kind": "service_contract",
        "level": "next business day",
        "start": now.date() - timedelta(days=10),
        "end": now.date() + timedelta(days=300),
        "version": 1,
        "at": now,
    }
    return AgreementChanged(**(values | other))


def device_changed(company_id: UUID, serial: str, *agreements: AgreementChanged, **other: Any) -> DeviceChanged:
    """A device under these agreements."""
    values: dict[str, Any] = {
        "device_id": uuid7(),
        "serial": serial,
        "product_id": uuid7(),
        "product_number": "LP600",
        "product_name": "LaserPress 600",
        "company_id": company_id,
        "agreement_ids": tuple(item.agreement_id for item in agreements),
        "version": 1,
        "at": datetime.now(UTC),
    }
    return DeviceChanged(**(values | other))

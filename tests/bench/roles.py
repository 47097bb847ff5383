"""Somebody of each role, as far as what they see of a company's cases differs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.cases.cases.store import CASES
from shared.mongo import Collection, Document, connect
from tests.bench.measuring import Bench
from tests.bench.people import Person

# For as long the gateway may take somebody for what they were.
_KNOWN_AFTER_S = 3.0


@dataclass(frozen=True, slots=True)
class _Limit:
    """One field of one document of identity, while somebody is limited by it."""

    collection: Literal["users", "companies"]
    document_id: UUID
    field: str
    value: object


async def each_role(bench: Bench) -> AsyncIterator[tuple[str, Person]]:
    """By name. Administrator and members are of the company with most cases."""
    admin, member = bench.people.customers[:2]
    yield "vendor admin", bench.people.vendor
    yield "agent", bench.people.agent
    yield "company admin", admin
    yield "member", member
    site = await bench.db[CASES.collection].find_one({"company_id": member.company_id, "site_name": "Site 1"})
    site_ids = [site["site_id"]] if site else []
    async with _limited(bench, _Limit("users", UUID(member.portal.user["id"]), "site_ids", site_ids)):
        yield "member of one site", member
    async with _limited(bench, _Limit("companies", member.company_id, "visibility", "own")):
        yield "member, own cases only", member


@asynccontextmanager
async def _limited(bench: Bench, limit: _Limit) -> AsyncIterator[None]:
    identity = connect(bench.stack.environment["MONGO_URL"], "identity")
    documents = identity[limit.collection]
    try:
        before = await documents.find_one({"_id": limit.document_id})
        assert before is not None
        await _set(documents, limit, limit.value)
        yield
        await _set(documents, limit, before[limit.field])
    finally:
        await identity.close()


async def _set(documents: Collection, limit: _Limit, value: object) -> None:
    changed: Document = {"$set": {limit.field: value}}
    await documents.update_one({"_id": limit.document_id}, changed)
    await asyncio.sleep(_KNOWN_AFTER_S)

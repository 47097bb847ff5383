"""What `deploy/compose.yaml` promises, with two replicas of each service."""

import asyncio
import json
import secrets
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic

import aiohttp
import pytest

from deploy.local.waiting import until
from tests.builders import Json, a_contact, an_email
from tests.containers.composed import SERVICES, Composed, ComposeFailed, docker
from tests.e2e.conftest import Customer
from tests.e2e.portal import TRUSTED, VENDOR_ADMIN, Visitor, a_case, a_company, mail_for, until_true, visiting

# The same story as on processes, through TLS and two of everything.
from tests.e2e.test_main_path import test_from_an_empty_system_to_the_mail_that_the_case_was_closed

__all__ = ["test_from_an_empty_system_to_the_mail_that_the_case_was_closed"]

pytestmark = pytest.mark.timeout(600)

PEOPLE = 4
CASES_EACH = 25
PAUSE_S = 0.5


@dataclass
class Record:
    """What was answered, and how often a first try failed."""

    created: dict[str, str] = field(default_factory=dict)  # case number → address of its contact
    first_tries_failed: Counter[str] = field(default_factory=Counter)
    retries_failed: list[str] = field(default_factory=list)
    slowest_s: float = 0.0


async def test_every_container_is_locked_down(stack: Composed) -> None:
    for service in SERVICES:
        for container in await stack.inspected(service):
            host = container["HostConfig"]
            assert host["ReadonlyRootfs"], service
            assert host["CapDrop"] == ["ALL"], service
            assert "no-new-privileges:true" in host["SecurityOpt"], service
            assert host["Memory"] > 0, service
            assert host["PortBindings"] in ({}, None), service
            name = container["Name"].lstrip("/")
            assert (await docker("exec", name, "id", "-u")).strip() == "10001"
            with pytest.raises(ComposeFailed, match="Read-only file system"):
                await docker("exec", name, "touch", "/portico/x")


async def test_the_image_says_what_it_is_made_of(stack: Composed) -> None:
    parts = json.loads(await stack.run("exec", "-T", "identity", "cat", "/portico/sbom.cdx.json"))["components"]
    names = {part["name"] for part in parts}
    assert "aiohttp" in names
    assert "motor" not in names
    notices = await stack.run("exec", "-T", "identity", "cat", "/portico/THIRD-PARTY-NOTICES", "/portico/LICENSE")
    assert all(f"\n{name} " in notices for name in names)


async def test_only_the_portal_and_the_page_of_mails_are_published(stack: Composed) -> None:
    published = {
        (binding["HostIp"] == "127.0.0.1", binding["HostPort"])
        for container in await stack.inspected()
        for bindings in (container["HostConfig"]["PortBindings"] or {}).values()
        for binding in bindings
    }
    assert published == {(False, str(stack.port)), (True, str(stack.mail_page_port))}


async def test_health_and_metrics_are_not_reached_from_outside(stack: Composed) -> None:
    async with visiting(stack) as visitor, aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=TRUSTED)) as http:
        assert (await visitor.call("GET", "/session")).status == 401
        for path in ("/healthz", "/readyz", "/metrics"):
            async with http.get(f"{stack.local_url}{path}") as answer:
                assert answer.status == 404


async def test_the_address_that_a_client_claims_for_itself_does_not_count(stack: Composed, customer: Customer) -> None:
    request_id = f"claim-{secrets.token_hex(8)}"
    claims = {"X-Forwarded-For": "203.0.113.77", "X-Portico-Client": "203.0.113.78", "X-Request-Id": request_id}
    assert (await customer.admin.call("POST", "/cases", json=a_case(), headers=claims)).status == 201
    script = (
        "import pymongo; cases = pymongo.MongoClient('mongodb://mongo:27017/?replicaSet=rs0').cases;"
        f"print(*[entry['address'] for entry in cases.audit.find({{'request_id': '{request_id}'}})])"
    )

    async def told() -> bool:
        return bool(await seen())

    async def seen() -> set[str]:
        return set((await stack.run("exec", "-T", "cases", "python", "-c", script)).split())

    await until_true(told)
    gateways = {network["Gateway"] for proxy in await stack.inspected("proxy") for network in networks(proxy)}
    assert await seen() <= gateways


def networks(container: Json) -> list[Json]:
    return list(container["NetworkSettings"]["Networks"].values())


async def test_killing_one_replica_of_each_service_costs_nobody_more_than_a_retry(
    stack: Composed, customer: Customer
) -> None:
    record = Record()

    async def work() -> None:
        for _ in range(CASES_EACH):
            await submit(customer.admin, record)
            await look(customer.admin, record)
            await asyncio.sleep(PAUSE_S)

    async def enough(count: int) -> bool:
        return len(record.created) >= count

    async def kill_one_of_each() -> None:
        for count, service in enumerate(SERVICES, start=1):
            await until_true(partial(enough, count * 15), within_s=120)
            await docker("kill", (await stack.names(service))[0])

    try:
        await asyncio.gather(kill_one_of_each(), *(work() for _ in range(PEOPLE)))
    finally:
        await stack.up()
    print(  # noqa: T201  # the figures of the run, shown with -s
        f"{len(record.created)} cases, first tries that failed: {dict(record.first_tries_failed)}, "
        f"retries that failed: {record.retries_failed}, slowest answer: {record.slowest_s:.2f} s"
    )
    assert record.retries_failed == []
    assert len(record.created) == PEOPLE * CASES_EACH
    for number in record.created:
        assert (await customer.admin.get(f"/cases/{number}"))["number"] == number
    for address in record.created.values():
        await mail_for(stack, address, within_s=60)


async def submit(admin: Visitor, record: Record) -> None:
    email = an_email("luc")
    answer = await with_one_retry(admin, record, "POST", "/cases", a_case(contact=a_contact(email=email)))
    if answer is not None:
        record.created[answer["number"]] = email


async def look(admin: Visitor, record: Record) -> None:
    for path in ("/cases", "/notification-preferences", "/coverage?serial=UNKNOWN1", "/profile"):
        await with_one_retry(admin, record, "GET", path)


async def with_one_retry(
    admin: Visitor, record: Record, method: str, path: str, body: Json | None = None
) -> Json | None:
    """As people do: the same again, once."""
    headers = {"Idempotency-Key": secrets.token_hex(8)} if body else {}
    said = ""
    for tried in range(2):
        began = monotonic()
        try:
            answer = await admin.call(method, path, json=body, headers=headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            said = type(error).__name__
        else:
            record.slowest_s = max(record.slowest_s, monotonic() - began)
            if answer.status < 300:
                good: Json = answer.body
                return good
            said = f"{method} {path}: {answer.status}"
        if not tried:
            record.first_tries_failed[said] += 1
            await asyncio.sleep(0.5)
    record.retries_failed.append(said)
    return None


async def test_both_replicas_of_each_service_do_the_work(stack: Composed, customer: Customer) -> None:
    record = Record()

    async def work() -> None:
        for _ in range(10):
            await submit(customer.admin, record)
            await look(customer.admin, record)

    await asyncio.gather(*(work() for _ in range(PEOPLE)))
    for service in SERVICES:
        answered = {
            name: (await docker("logs", name)).count('"event": "request"') for name in await stack.names(service)
        }
        print(f"requests answered: {answered}")  # noqa: T201
        assert len(answered) == 2
        assert all(answered.values()), answered

    async def both_sent() -> bool:
        sent = [(await docker("logs", name)).count('"mail_settled"') for name in await stack.names("notifications")]
        return all(sent)

    assert await until(both_sent, deadline_s=60), "only one replica of notifications sent mails"


async def test_data_outlive_the_containers(stack: Composed, customer: Customer) -> None:
    case = await customer.admin.submit(title="Still here")
    await stack.down()
    await stack.up()
    assert (await customer.admin.get(f"/cases/{case['number']}"))["title"] == "Still here"
    async with visiting(stack, VENDOR_ADMIN) as vera:
        await a_company(await vera.sign_in())


@pytest.mark.parametrize("missing", ["PORTICO_SECRET_KEY", "RABBITMQ_PASSWORD"])
async def test_without_a_secret_nothing_starts_and_it_is_said_where_to_write_it(
    program: list[str], tmp_path: Path, missing: str
) -> None:
    other = Composed(program, tmp_path, without=missing)
    with pytest.raises(ComposeFailed, match=r"deploy/\.env"):
        await other.run("up", "-d")
    assert await other.inspected() == []

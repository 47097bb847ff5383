"""The whole stack with two replicas of each service, and a proxy before everything that can be cut."""

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from deploy.local.child import Child, free_port
from deploy.local.parts import Mongod, RabbitMQ
from deploy.local.stack import SERVICES, Borrowed, Stack
from deploy.local.waiting import until
from tests.builders import an_email
from tests.e2e.portal import VENDOR_ADMIN, Visitor, a_company, join, vendor_admin_exists, visiting
from tests.faults.proxy import ProxyProcess
from tests.faults.sink import read_mails
from tests.unbounded import UNBOUNDED

REPLICAS = 2
REPOSITORY = Path(__file__).resolve().parents[2]


class FaultyStack(Stack):
    """Its mails go to a sink, which is no part of the stack."""

    def __init__(self, data_dir: Path, *, sink_file: Path, code: Path) -> None:
        """`code` is the tree that the services run from."""
        self.sink_file = sink_file
        self.proxied = {"mongod": free_port(), "rabbitmq": free_port(), "smtp": free_port()}
        super().__init__(
            data_dir,
            replicas=REPLICAS,
            code=code,
            borrowed=Borrowed(smtp_url=f"smtp://127.0.0.1:{self.proxied['smtp']}"),
            # A handful of people create thousands of cases: what is looked for is what gets lost.
            environment=UNBOUNDED
            | {
                "MONGO_URL": f"mongodb://127.0.0.1:{self.proxied['mongod']}/?replicaSet=rs0",
                "PORTICO_LOG_LEVEL": "warning",
                "RABBITMQ_URL": f"amqp://guest:guest@127.0.0.1:{self.proxied['rabbitmq']}/",
            },
        )
        # The set itself names the proxy, so that drivers, which ask it where its members are, stay behind it.
        self.mongod.member = f"127.0.0.1:{self.proxied['mongod']}"
        # As rarely as it can: whoever does not wait for the journal loses half a second in a kill.
        self.mongod.child.argv = [*self.mongod.child.argv, "--journalCommitInterval", "500"]

    @property
    def mongod(self) -> Mongod:
        part = self.parts["mongod"]
        assert isinstance(part, Mongod)
        return part

    @property
    def rabbitmq(self) -> RabbitMQ:
        part = self.parts["rabbitmq"]
        assert isinstance(part, RabbitMQ)
        return part

    async def queues(self) -> dict[str, int]:
        """How many messages are in each queue of the broker, those in hand too."""
        told = await self.rabbitmq.control("-q", "list_queues", "name", "messages", "--formatter", "json")
        return {queue["name"]: int(queue["messages"]) for queue in json.loads(told)}

    async def is_quiet(self) -> bool:
        """Whether every queue is empty."""
        return not any((await self.queues()).values())

    async def mails(self, to: str = "") -> list[dict[str, Any]]:
        """What the sink took, newest first."""
        return [mail.__dict__ for mail in reversed(read_mails(self.sink_file)) if not to or mail.to == to.lower()]


@dataclass(frozen=True)
class World:
    """A running stack, its proxy, and the people in it."""

    stack: FaultyStack
    proxy: ProxyProcess
    submitter: Visitor  # has opted out of case mails
    members: Sequence[Visitor]


@asynccontextmanager
async def running(
    data_dir: Path, *, code: Path = REPOSITORY, reply_delay_ms: float = 0, members: int = 0
) -> AsyncIterator[World]:
    """Everything started, with a company, its administrator and so many members; nothing is left running."""
    stack = FaultyStack(data_dir, sink_file=data_dir / "mails.jsonl", code=code)
    sink_port = free_port()
    sink = Child(
        "sink",
        [
            *(sys.executable, "-m", "tests.faults.sink", "--file", str(stack.sink_file), "--port", str(sink_port)),
            *("--reply-delay-ms", str(reply_delay_ms)),
        ],
        data_dir / "logs" / "sink.log",
        cwd=REPOSITORY,
    )
    async with AsyncExitStack() as leaving:
        sink.start()
        leaving.push_async_callback(sink.stop)
        proxy = await leaving.enter_async_context(ProxyProcess(_links(stack, sink_port)))
        await stack.start()
        leaving.push_async_callback(stack.stop)
        submitter, joined = await _people(stack, leaving, members)
        yield World(stack, proxy, submitter, joined)


def _links(stack: FaultyStack, sink_port: int) -> dict[str, tuple[int, Sequence[int]]]:
    behind = {"mongod": stack.mongod.port, "rabbitmq": stack.rabbitmq.port, "smtp": sink_port}
    parts: dict[str, tuple[int, Sequence[int]]] = {name: (port, [behind[name]]) for name, port in stack.proxied.items()}
    return parts | {name: (stack.fronts[name], stack.replica_ports[name]) for name in (*SERVICES, "gateway")}


async def _people(stack: FaultyStack, leaving: AsyncExitStack, members: int) -> tuple[Visitor, list[Visitor]]:
    await vendor_admin_exists(stack)
    vendor = await leaving.enter_async_context(visiting(stack, VENDOR_ADMIN))
    await vendor.sign_in()
    company = await a_company(vendor)

    async def invited(role: str) -> Visitor:
        visitor = await leaving.enter_async_context(_unbounded(stack, an_email("ana")))
        invitation = {"invitations": [{"email": visitor.email, "role": role}]}
        await vendor.post(f"/vendor/companies/{company['id']}/invitations", invitation)
        await join(stack, visitor)
        await visitor.sign_in()
        await visitor.complete_profile()
        return visitor

    submitter = await invited("company_admin")
    await submitter.put("/notification-preferences", {"case_emails": False})
    joined = [await invited("member") for _ in range(members)]
    assert await until(stack.is_quiet, deadline_s=30, pause_s=1.0), "not everything is known everywhere"
    return submitter, joined


@asynccontextmanager
async def _unbounded(stack: Stack, email: str) -> AsyncIterator[Visitor]:
    # As many requests at once as there are: nobody waits for a connection, which would look like a slow answer.
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True),
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=30),
    ) as http:
        yield Visitor(stack, http, email)

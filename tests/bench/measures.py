"""What is measured, each with its own open-loop load."""

import asyncio
import json
import math
import random
import time
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import aiohttp
import bson

from deploy.local.stack import PythonPart, Stack
from deploy.local.waiting import until
from services.cases.cases.store import CASES, read_order
from shared.mongo import Database, Document
from tests.bench import load, machine
from tests.bench.figures import Figures, percentile
from tests.bench.floor import Floor
from tests.bench.load import Load, Plan, Request
from tests.bench.people import People, Person
from tests.bench.rates import highest_sustained
from tests.bench.sink import Sink

SERVICES = ("gateway", "identity", "cases", "contracts", "notifications")
# A rate is sustained when everything was answered, 99 of 100 within this time of when they were due.
SUSTAINED_P99_MS = 300.0
# The same for mails: the last one came this long after the last case was due.
SUSTAINED_MAIL_S = 1.0
CREATED_PER_S = 50.0
_MAILS_EACH = 2  # the submitter's and the contact's
_MAILS_WITHIN_S = 60.0
_PROBE_AT_ONCE = 16
_READY_PAUSE_S = 0.02
_READY_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Durations:
    """How long each part of a run takes, in seconds."""

    step: float
    probe: float
    fixed: float
    fixed_creates: float
    idle: float


FULL = Durations(step=4, probe=2, fixed=5, fixed_creates=15, idle=20)
QUICK = Durations(step=2, probe=1, fixed=3, fixed_creates=6, idle=20)


@dataclass
class Bench:
    """The running stack, who asks, where figures go."""

    stack: Stack
    people: People
    sink: Sink
    db: Database
    figures: Figures
    seed: str
    durations: Durations
    loads: "count[int]" = field(default_factory=count)

    def pid(self, part: str) -> int:
        return self.stack.parts[part].child.pid

    async def load(
        self, requests: Sequence[Request], *, rate: float | None, seconds: float, port: int | None = None
    ) -> Load:
        plan = Plan(port or self.stack.port, list(requests), seconds, rate, f"{self.seed} {next(self.loads)}")
        return await load.run(plan if rate is not None else replace(plan, at_once=_PROBE_AT_ONCE))

    @property
    def rng(self) -> random.Random:
        return random.Random(f"{self.seed} {next(self.loads)}")


# The floor, and creating cases


async def measure_floor(bench: Bench) -> float:
    """A bare process that inserts documents of the same size; its highest sustained rate."""
    document = await bench.db[CASES.collection].find_one({}, sort=[("created_at", -1)])
    size = len(bson.encode(document or {}, codec_options=bench.db[CASES.collection].codec_options))
    floor = Floor(bench.stack.data_dir, mongo_url=bench.stack.environment["MONGO_URL"], document_bytes=size)
    await floor.part.start()
    try:
        requests = [replace(request, path="/") for request in _creates(bench)]
        rate = await _highest(bench, requests, port=floor.port)
        bench.figures.add("floor: bare inserts", "1/s", rate)
        bench.figures.add("floor: size of a document", "bytes", size)
        settled = await bench.load(requests, rate=CREATED_PER_S, seconds=bench.durations.fixed, port=floor.port)
        _add_latencies(bench, f"floor at {CREATED_PER_S:.0f}/s", settled)
    finally:
        await floor.part.stop()
    return rate


def _creates(bench: Bench) -> list[Request]:
    rng = bench.rng
    return [rng.choice(bench.people.customers).create_case(rng) for _ in range(200)]


async def measure_creates(bench: Bench, floor_rate: float) -> None:
    """Cases through the gateway with both their mails taken by the mail server."""
    requests = _creates(bench)
    probe = await bench.load(requests, rate=None, seconds=bench.durations.probe)
    guess = len(probe.created) / await _span_with_mails(bench, probe)

    async def is_sustained(rate: float) -> bool:
        created = await bench.load(requests, rate=rate, seconds=bench.durations.step)
        behind_s = await _span_with_mails(bench, created) - (max(created.created.values(), default=0) - _begin(created))
        return _is_sustained(created) and behind_s <= SUSTAINED_MAIL_S

    found = await highest_sustained(is_sustained, guess)
    bench.figures.add("cases created, mails sent", "1/s", found.rate)
    bench.figures.add("cases created / floor", "ratio", found.rate / floor_rate if floor_rate else math.nan)
    await _measure_creates_at_rate(bench, requests)


async def _measure_creates_at_rate(bench: Bench, requests: Sequence[Request]) -> None:
    pids = {name: bench.pid(name) for name in (*SERVICES, "mongod", "rabbitmq")} | {"mail sink": bench.sink.child.pid}
    before = {name: machine.cpu_s(pid) for name, pid in pids.items()}
    settled = await bench.load(requests, rate=CREATED_PER_S, seconds=bench.durations.fixed_creates)
    mails = await bench.sink.mails_of(list(settled.created), each=_MAILS_EACH, within_s=_MAILS_WITHIN_S)
    used = {name: machine.cpu_s(pid) - before[name] for name, pid in pids.items()} | {"load generator": settled.cpu_s}
    title = f"create at {CREATED_PER_S:.0f}/s"
    _add_latencies(bench, f"{title}: POST", settled)
    took = [
        (max(mails[number]) if len(mails[number]) >= _MAILS_EACH else math.inf) - due
        for number, due in settled.created.items()
    ]
    took += [math.inf] * (settled.due - len(took))
    bench.figures.add(f"{title}: to the last mail's final dot, p50", "ms", percentile(took, 0.5) * 1000)
    bench.figures.add(f"{title}: to the last mail's final dot, p99", "ms", percentile(took, 0.99) * 1000)
    too_many = sum(len(came) > _MAILS_EACH for came in mails.values())
    bench.figures.add(f"{title}: cases with more than {_MAILS_EACH} mails", "cases", too_many)
    bench.figures.add(f"{title}: not answered, or refused", "requests", settled.due - len(settled.latencies_s))
    for name, seconds in used.items():
        bench.figures.add(
            f"{title}: processor time of {name}", "ms/case", seconds * 1000 / max(1, len(settled.created))
        )


def _begin(created: Load) -> float:
    return min(created.created.values(), default=0.0)


async def _span_with_mails(bench: Bench, created: Load) -> float:
    """From when the first case was due to the final dot of the last mail."""
    mails = await bench.sink.mails_of(list(created.created), each=_MAILS_EACH, within_s=_MAILS_WITHIN_S)
    if any(len(came) < _MAILS_EACH for came in mails.values()):
        return math.inf
    return max((max(came) for came in mails.values()), default=math.inf) - _begin(created)


# Reads


READS_PER_S = {"detail": 100.0, "list": 40.0, "list, middle": 40.0, "start page": 20.0}


async def measure_reads(bench: Bench, scale: int) -> None:
    """Each kind of read: its highest sustained rate, and how long it takes at a fixed one."""
    requests = {
        "detail": await _details(bench),
        "list": [person.get("/api/v1/cases") for person in _readers(bench)],
        "list, middle": [await _middle_of_list(bench, person) for person in _readers(bench)],
        "start page": [person.get("/") for person in _readers(bench)],
    }
    for kind, fixed_rate in READS_PER_S.items():
        title = f"{kind} of {scale:,} cases"
        bench.figures.add(f"{title}: reads", "1/s", await _highest(bench, requests[kind]))
        pids = {name: bench.pid(name) for name in ("gateway", "cases", "mongod")}
        before = {name: machine.cpu_s(pid) for name, pid in pids.items()}
        settled = await bench.load(requests[kind], rate=fixed_rate, seconds=bench.durations.fixed)
        _add_latencies(bench, f"{title} at {fixed_rate:.0f}/s", settled)
        for name, pid in pids.items():
            used_ms = (machine.cpu_s(pid) - before[name]) * 1000
            bench.figures.add(
                f"{title}: processor time of {name}", "ms/read", used_ms / max(1, len(settled.latencies_s))
            )


def _readers(bench: Bench) -> list[Person]:
    return [*bench.people.customers, bench.people.vendor]


async def _details(bench: Bench) -> list[Request]:
    found = []
    for person in bench.people.customers:
        # Members see their company's cases unless they are confidential.
        wanted = {"company_id": person.company_id, "confidential": False}
        sample: list[Document] = [{"$match": wanted}, {"$sample": {"size": 50}}, {"$project": {"number": 1}}]
        cases = await (await bench.db[CASES.collection].aggregate(sample)).to_list()
        found += [person.get(f"/api/v1/cases/{case['number']}") for case in cases]
    return found


async def _middle_of_list(bench: Bench, person: Person) -> Request:
    """The page whose cursor stands in the middle of all that the person sees: the first cursor, for another case."""
    order = read_order(None)
    async with person.portal.http.get(f"{person.portal.address}/cases?limit=1") as answer:
        first = await answer.json()
    mark, *_case = json.loads(urlsafe_b64decode(first["next_cursor"]))
    wanted = {} if person is bench.people.vendor else {"company_id": person.company_id}
    cases = bench.db[CASES.collection]
    middle = await cases.count_documents(wanted) // 2
    (document,) = await cases.find(wanted, {"updated_at": 1}).sort(order.keys).skip(middle).limit(1).to_list()
    return person.get(f"/api/v1/cases?cursor={order.cursor(document, of=mark)}")


# Export


async def measure_export(bench: Bench, scale: int) -> None:
    """Every case as one sheet, for the vendor, who sees them all."""
    pid = bench.pid("cases")
    machine.forget_peak(pid)
    before, began = machine.memory_mib(pid)[0], time.monotonic()
    first_byte = 0.0
    url = f"{bench.stack.local_url}/api/v1/cases.xlsx"
    received = bytearray()
    try:
        async with bench.people.vendor.portal.http.get(url, timeout=aiohttp.ClientTimeout(total=300)) as answer:
            async for chunk in answer.content.iter_any():
                first_byte = first_byte or time.monotonic() - began
                received += chunk
    except aiohttp.ClientError:
        seconds = math.inf  # broken off: half a sheet is none
    else:
        seconds = time.monotonic() - began
    rows = await bench.db[CASES.collection].count_documents({})
    title = f"export of {scale:,} cases"
    bench.figures.add(f"{title}: rows", "1/s", rows / seconds)
    bench.figures.add(f"{title}: to the first byte of the sheet", "s", first_byte if seconds < math.inf else math.inf)
    bench.figures.add(f"{title}: most memory of cases", "MiB", machine.peak_mib(pid))
    bench.figures.add(f"{title}: memory of cases before", "MiB", before)


# Processes


async def measure_idle(bench: Bench) -> None:
    """Memory and processor of each process while nobody asks for anything."""
    pids = {name: bench.pid(name) for name in (*SERVICES, "mongod", "rabbitmq")}
    before = {name: machine.cpu_s(pid) for name, pid in pids.items()}
    began = time.monotonic()
    await asyncio.sleep(bench.durations.idle)
    seconds = time.monotonic() - began
    for name, pid in pids.items():
        resident, proportional = machine.memory_mib(pid)
        bench.figures.add(f"idle: processor of {name}", "%", (machine.cpu_s(pid) - before[name]) / seconds * 100)
        bench.figures.add(f"idle: RSS of {name}", "MiB", resident)
        bench.figures.add(f"idle: PSS of {name}", "MiB", proportional)


def measure_memory_after(bench: Bench) -> None:
    """What the load has left in each service."""
    for name in SERVICES:
        bench.figures.add(f"after the load: RSS of {name}", "MiB", machine.memory_mib(bench.pid(name))[0])


async def measure_start(bench: Bench) -> None:
    """From the start of each process to `/readyz` with nothing degraded, all others being up."""
    for name in SERVICES:
        part = bench.stack.parts[name]
        assert isinstance(part, PythonPart)
        await part.stop()
        began = time.monotonic()
        part.child.start()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as http:
            ready = await until(
                lambda part=part, http=http: _is_whole(http, part.ready_url),  # type: ignore[misc]  # bound at once
                deadline_s=_READY_WITHIN_S,
                pause_s=_READY_PAUSE_S,
            )
        bench.figures.add(f"start of {name}", "s", time.monotonic() - began if ready else math.inf)


async def _is_whole(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as answer:
            return bool(await answer.json() == {"ready": True, "degraded": {}})
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False


# What they have in common


async def _highest(bench: Bench, requests: Sequence[Request], *, port: int | None = None) -> float:
    probe = await bench.load(requests, rate=None, seconds=bench.durations.probe, port=port)

    async def is_sustained(rate: float) -> bool:
        return _is_sustained(await bench.load(requests, rate=rate, seconds=bench.durations.step, port=port))

    return (await highest_sustained(is_sustained, probe.answered_per_s)).rate


def _is_sustained(done: Load) -> bool:
    return done.all_answered and done.latency_ms(0.99) <= SUSTAINED_P99_MS


def _add_latencies(bench: Bench, title: str, done: Load) -> None:
    bench.figures.add(f"{title}, p50", "ms", done.latency_ms(0.5))
    bench.figures.add(f"{title}, p99", "ms", done.latency_ms(0.99))

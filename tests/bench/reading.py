"""Reading: the highest sustained rates, whether answers stay as fast as the table grows, and sheets."""

import json
import math
import time
from base64 import urlsafe_b64decode

import aiohttp

from services.cases.cases.store import CASES, read_order
from shared.mongo import Document
from tests.bench import machine
from tests.bench.figures import percentile
from tests.bench.load import Request
from tests.bench.measuring import Bench
from tests.bench.people import Person
from tests.bench.roles import each_role
from tests.bench.words import a_text

_READS_OF_ROLE = 40
_READS_PER_S = {"detail": 100.0, "list": 40.0, "list, middle": 40.0, "start page": 20.0}


async def measure_reads(bench: Bench, scale: int) -> None:
    """Each kind of read: its highest sustained rate, and how long it takes at a fixed one."""
    requests = {
        "detail": await _details(bench),
        "list": [person.get("/api/v1/cases") for person in _readers(bench)],
        "list, middle": [await _middle_of_list(bench, person) for person in _readers(bench)],
        "start page": [person.get("/") for person in _readers(bench)],
    }
    for kind, fixed_rate in _READS_PER_S.items():
        title = f"{kind} of {scale:,} cases"
        bench.figures.add(f"{title}: reads", "1/s", await bench.highest(requests[kind]))
        before = bench.cpu_s("gateway", "cases", "mongod")
        settled = await bench.load(requests[kind], rate=fixed_rate, seconds=bench.durations.fixed)
        bench.add_latencies(f"{title} at {fixed_rate:.0f}/s", settled)
        bench.add_cost(title, before, each="read", done=len(settled.latencies_s))


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


async def measure_each_role(bench: Bench, scale: int) -> None:
    """What each role waits for, one read after the other: it has to be as short in a large table as in a small one."""
    async for role, person in each_role(bench):
        rng = bench.rng
        numbers = await _numbers_seen(person)
        paths = {
            "list": ["/api/v1/cases"],
            "detail": [f"/api/v1/cases/{number}" for number in numbers],
            "start page": ["/"],
            "search": [f"/api/v1/cases?q={a_text(rng, 1)}" for _ in range(_READS_OF_ROLE)],
        }
        for kind, choice in paths.items():
            took_s = [await time_of(person, rng.choice(choice)) for _ in range(_READS_OF_ROLE)]
            title = f"{kind} of {scale:,} cases, {role}"
            bench.figures.add(f"{title}, p50", "ms", percentile(took_s, 0.5) * 1000)


async def _numbers_seen(person: Person) -> list[str]:
    async with person.portal.http.get(f"{person.portal.address}/cases?limit=50") as answer:
        return [case["number"] for case in (await answer.json())["items"]]


async def time_of(person: Person, path: str) -> float:
    """In seconds; for ever where it was refused."""
    origin = person.portal.address.removesuffix("/api/v1")
    began = time.monotonic()
    async with person.portal.http.get(f"{origin}{path}", headers={"Host": "localhost"}) as answer:
        await answer.read()
    return time.monotonic() - began if answer.ok else math.inf


async def measure_exports(bench: Bench, scale: int) -> None:
    """Every case as one sheet, for the vendor, who sees them all."""
    for kind in ("xlsx", "csv"):
        await _measure_export(bench, scale, kind)


async def _measure_export(bench: Bench, scale: int, kind: str) -> None:
    pid = bench.pid("cases")
    machine.forget_peak(pid)
    resident_before, before, began = (
        machine.memory_mib(pid)[0],
        bench.cpu_s("gateway", "cases", "mongod"),
        time.monotonic(),
    )
    first_byte = 0.0
    url = f"{bench.stack.local_url}/api/v1/cases.{kind}"
    try:
        async with bench.people.vendor.portal.http.get(url, timeout=aiohttp.ClientTimeout(total=300)) as answer:
            answer.raise_for_status()
            async for _ in answer.content.iter_any():
                first_byte = first_byte or time.monotonic() - began
    except aiohttp.ClientError:
        seconds = math.inf  # broken off: half a sheet is none
    else:
        seconds = time.monotonic() - began
    rows = await bench.db[CASES.collection].count_documents({})
    title = f"export of {scale:,} cases, {kind}"
    bench.figures.add(f"{title}: rows", "1/s", rows / seconds)
    bench.figures.add(f"{title}: to the first byte", "ms", first_byte * 1000 if seconds < math.inf else math.inf)
    bench.figures.add(f"{title}: memory of cases above idle", "MiB", machine.peak_mib(pid) - resident_before)
    bench.add_cost(title, before, each="1,000 rows", done=rows // 1000)

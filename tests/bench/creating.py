"""Creating cases: the floor, the highest sustained rate, a fixed rate, and as many as come back."""

import math
from collections.abc import Sequence
from dataclasses import replace

import bson

from services.cases.cases.store import CASES
from tests.bench import machine
from tests.bench.figures import percentile
from tests.bench.floor import Floor
from tests.bench.load import Load, Request
from tests.bench.measuring import SERVICES, Bench, keeps_up
from tests.bench.rates import highest_sustained

FLOOR_RATIO = "cases created / floor"
# A rate is sustained for mails when the last one came this long after the last case was due.
_SUSTAINED_MAIL_S = 1.0
_CREATED_PER_S = 50.0
_MAILS_EACH = 2  # the submitter's and the contact's
_MAILS_WITHIN_S = 60.0
_SATURATED_AT_ONCE = 32
_PARTS = (*SERVICES, "mongod", "rabbitmq")


async def measure_floor(bench: Bench) -> float:
    """A bare process that inserts documents of the same size; its highest sustained rate."""
    document = await bench.db[CASES.collection].find_one({}, sort=[("created_at", -1)])
    size = len(bson.encode(document or {}, codec_options=bench.db[CASES.collection].codec_options))
    floor = Floor(bench.stack.data_dir, mongo_url=bench.stack.environment["MONGO_URL"], document_bytes=size)
    await floor.part.start()
    try:
        requests = [replace(request, path="/") for request in _creates(bench)]
        rate = await bench.highest(requests, port=floor.port)
        bench.figures.add("floor: bare inserts", "1/s", rate)
        bench.figures.add("floor: size of a document", "bytes", size)
        settled = await bench.load(requests, rate=_CREATED_PER_S, seconds=bench.durations.fixed, port=floor.port)
        bench.add_latencies(f"floor at {_CREATED_PER_S:.0f}/s", settled)
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
        return keeps_up(created) and behind_s <= _SUSTAINED_MAIL_S

    found = await highest_sustained(is_sustained, guess)
    bench.figures.add("cases created, mails sent", "1/s", found.rate)
    bench.figures.add(FLOOR_RATIO, "ratio", found.rate / floor_rate if floor_rate else math.nan)
    await _measure_creates_at_rate(bench, requests)


async def _measure_creates_at_rate(bench: Bench, requests: Sequence[Request]) -> None:
    title = f"create at {_CREATED_PER_S:.0f}/s"
    before, sink_before = bench.cpu_s(*_PARTS), machine.cpu_s(bench.sink.child.pid)
    settled = await bench.load(requests, rate=_CREATED_PER_S, seconds=bench.durations.fixed_creates)
    mails = await bench.sink.mails_of(list(settled.created), each=_MAILS_EACH, within_s=_MAILS_WITHIN_S)
    bench.add_latencies(f"{title}: POST", settled)
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
    created = len(settled.created)
    bench.add_cost(title, before, each="case", done=created)
    sink_ms = (machine.cpu_s(bench.sink.child.pid) - sink_before) * 1000 / max(1, created)
    bench.figures.add(f"{title}: processor time of mail sink", "ms/case", sink_ms)
    bench.figures.add(f"{title}: processor time of load generator", "ms/case", settled.cpu_s * 1000 / max(1, created))


async def measure_saturation(bench: Bench) -> None:
    """As many cases as come back, 32 at once: what each costs when batches are as large as they get."""
    title = "create without a pause"
    before, syncs_before = bench.cpu_s(*_PARTS), await _journal_syncs(bench)
    created = await bench.load(_creates(bench), rate=None, seconds=bench.durations.fixed, at_once=_SATURATED_AT_ONCE)
    span_s = await _span_with_mails(bench, created)
    cases = len(created.created)
    bench.figures.add(f"{title}: to the last mail's final dot", "1/s", cases / span_s)
    total_ms = bench.add_cost(title, before, each="case", done=cases)
    bench.figures.add(f"{title}: processor time of all seven", "ms/case", total_ms)
    syncs = (await _journal_syncs(bench) - syncs_before) / max(1, cases)
    bench.figures.add(f"{title}: journal syncs", "1/case", syncs)
    bench.figures.add(f"{title}: refused", "requests", sum(created.refused.values()))


async def _journal_syncs(bench: Bench) -> int:
    status = await bench.db[CASES.collection].database.command("serverStatus")
    return int(status["wiredTiger"]["log"]["log sync operations"])


def _begin(created: Load) -> float:
    return min(created.created.values(), default=0.0)


async def _span_with_mails(bench: Bench, created: Load) -> float:
    """From when the first case was due to the final dot of the last mail."""
    mails = await bench.sink.mails_of(list(created.created), each=_MAILS_EACH, within_s=_MAILS_WITHIN_S)
    if any(len(came) < _MAILS_EACH for came in mails.values()):
        return math.inf
    return max((max(came) for came in mails.values()), default=math.inf) - _begin(created)

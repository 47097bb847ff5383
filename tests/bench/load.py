"""The load generator, a process of its own: a plan comes in on standard input, what became of it goes out as JSON."""

import asyncio
import gc
import math
import random
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from uuid import UUID

import orjson
import uvloop

from tests.bench.arrivals import Arrival, closed_loop, open_loop, poisson
from tests.bench.figures import percentile
from tests.bench.wire import Connection, Reply, request_bytes

_WITHIN_S = 10.0
_GOOD = range(200, 300)
_LOST = "connection lost"
_NUMBER = re.compile(rb'"number":"(\d{10})"')


@dataclass(frozen=True, slots=True)
class Request:
    """A POST gets an Idempotency-Key of its own each time it is sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests to choose from, and how many are due in a second on average; None: as many as come back (closed)."""

    port: int
    requests: list[Request]
    seconds: float
    rate: float | None
    seed: str
    at_once: int = 64


@dataclass(frozen=True, slots=True)
class Load:
    """What became of a plan. `latencies_s` count from when requests were due; the missed have none."""

    due: int
    missed: int
    refused: dict[str, int]
    latencies_s: list[float]
    span_s: float  # from the first due to the last answered
    created: dict[str, float] = field(default_factory=dict)  # case number to when its POST was due
    waited_s: float = 0.0  # 99 of 100 were sent at most this long after they were due: no free place, or a late clock
    cpu_s: float = 0.0

    @property
    def all_answered(self) -> bool:
        return not self.missed and not self.refused

    @property
    def answered_per_s(self) -> float:
        return len(self.latencies_s) / self.span_s

    def latency_ms(self, share: float) -> float:
        """A percentile in which whoever was never served, or refused, waited for ever."""
        never = [math.inf] * (self.missed + sum(self.refused.values()))
        return percentile([*self.latencies_s, *never], share) * 1000


class _Generator:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rng = random.Random(plan.seed)
        self._idle: list[Connection] = []

    async def run(self) -> Load:
        plan = self._plan
        opened = (Connection.to("127.0.0.1", plan.port) for _ in range(plan.at_once))
        self._idle = list(await asyncio.gather(*opened))
        if plan.rate is None:
            before = _cpu_s()
            arrivals = await closed_loop(self._send, at_once=plan.at_once, seconds=plan.seconds)
        else:
            offsets = poisson(plan.rate, plan.seconds, self._rng)
            before = _cpu_s()
            arrivals = await open_loop(offsets, self._send, at_once=plan.at_once, within_s=_WITHIN_S)
        cpu_s = _cpu_s() - before
        for connection in self._idle:
            connection.close()
        return _told(arrivals, cpu_s)

    async def _send(self, _number: int) -> Reply | None:
        request = self._rng.choice(self._plan.requests)
        headers = request.headers
        if request.method == "POST":
            headers = headers | {"Idempotency-Key": str(UUID(int=self._rng.getrandbits(128)))}
        connection: Connection | None = None
        try:
            connection = self._idle.pop() if self._idle else await Connection.to("127.0.0.1", self._plan.port)
            return await connection.ask(request_bytes(request.method, request.path, headers, request.body.encode()))
        except OSError:
            return None
        finally:
            if connection is not None and connection.usable:
                self._idle.append(connection)
            elif connection is not None:
                connection.close()


def _told(arrivals: Sequence[Arrival[Reply | None]], cpu_s: float) -> Load:
    ended = [(arrival, arrival.ended) for arrival in arrivals if arrival.ended is not None]
    good = [(arrival, end) for arrival, end in ended if arrival.result is not None and arrival.result.status in _GOOD]
    refused = Counter(
        str(arrival.result.status) if arrival.result else _LOST
        for arrival, _ in ended
        if arrival.result is None or arrival.result.status not in _GOOD
    )
    created = {}
    for arrival, _ in good:
        if arrival.result is not None and (number := _NUMBER.search(arrival.result.body)):
            created[number[1].decode()] = arrival.due
    return Load(
        due=len(arrivals),
        missed=len(arrivals) - len(ended),
        refused=dict(refused),
        latencies_s=[end - arrival.due for arrival, end in good],
        span_s=max((end for _, end in ended), default=time.monotonic()) - arrivals[0].due,
        created=created,
        waited_s=percentile([each.started - each.due for each in arrivals if each.started is not None], 0.99),
        cpu_s=cpu_s,
    )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def run(plan: Plan) -> Load:
    """Carry out a plan in a fresh process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.load"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(orjson.dumps(plan))
    if process.returncode:
        message = f"the load generator ended with {process.returncode}"
        raise RuntimeError(message)
    return Load(**orjson.loads(output))


def main() -> None:
    told = orjson.loads(sys.stdin.buffer.read())
    plan = Plan(**(told | {"requests": [Request(**request) for request in told["requests"]]}))
    gc.disable()  # it lives for seconds, and a collection would look like a slow answer
    load = uvloop.run(_Generator(plan).run())
    sys.stdout.buffer.write(orjson.dumps(asdict(load)))


if __name__ == "__main__":
    main()

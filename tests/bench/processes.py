"""What processes cost while nobody asks, how fast they start, and what a load has left in them."""

import asyncio
import math
import time

import aiohttp

from deploy.local.stack import PythonPart
from deploy.local.waiting import until
from tests.bench import machine
from tests.bench.measuring import SERVICES, Bench

_READY_PAUSE_S = 0.02
_READY_WITHIN_S = 60.0


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

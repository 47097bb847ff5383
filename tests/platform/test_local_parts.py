"""The parts that `make run` and the tests stand on: killed, restarted, moved, and never left behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
from pymongo import AsyncMongoClient

from deploy.local.child import Child, NotReady, free_port, port_is_free, reserve_port, take_share_of_ports
from deploy.local.parts import Mongod
from deploy.local.stack import SERVICES, Stack, _has_its_bus
from deploy.local.waiting import until
from shared.bus import Bus
from shared.service import _degraded
from shared.topology import CASES
from tests.builders import UNREACHABLE_BROKER
from tests.platform.processes import processes_of


@asynccontextmanager
async def _connected(mongod: Mongod) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongod.url)
    try:
        yield client
    finally:
        await client.close()


async def test_a_killed_mongod_comes_back_with_its_data_and_another_on_its_folder_finds_them(parts_dir: Path) -> None:
    data_dir = parts_dir / uuid4().hex
    first, second = Mongod(data_dir, cache_gb=0.25), Mongod(data_dir, cache_gb=0.25)
    assert first.port != second.port
    try:
        await first.start()
        async with _connected(first) as client:
            await client["shop"]["kept"].insert_one({"_id": 1})
            first.kill()
            await first.restart()
            assert await client["shop"]["kept"].count_documents({}) == 1
            await client["shop"]["kept"].insert_one({"_id": 2})
        await first.stop()
        await second.start()
        async with _connected(second) as client:
            assert await client["shop"]["kept"].count_documents({}) == 2
    finally:
        await first.stop()
        await second.stop()


@pytest.mark.parametrize("ends", ["kill -ILL $$", "exit 132"])
async def test_a_part_that_the_processor_cannot_run_says_so(tmp_path: Path, ends: str) -> None:
    child = Child("mongod", ["sh", "-c", ends], tmp_path / "log")
    child.start()

    async def never() -> bool:
        return False

    with pytest.raises(NotReady, match="MongoDB needs AVX"):
        await child.wait_until(never, deadline_s=10)


async def test_a_virtual_host_is_empty_and_ours(fresh_vhost_url: str) -> None:
    connection = await aio_pika.connect(fresh_vhost_url)
    async with connection, connection.channel() as channel:
        queue = await channel.declare_queue("first", durable=True)
        assert queue.declaration_result.message_count == 0


async def test_a_part_that_ends_at_once_shows_the_end_of_its_log(tmp_path: Path) -> None:
    child = Child("broken", ["sh", "-c", "echo no such luck; exit 3"], tmp_path / "broken.log")
    child.start()
    with pytest.raises(NotReady, match=r"(?s)broken ended with exit code 3.*no such luck"):
        await child.wait_until(_never, deadline_s=30)


async def test_a_part_that_ignores_sigterm_is_killed_with_all_it_started(tmp_path: Path) -> None:
    stubborn = ["sh", "-c", "trap '' TERM; sleep 1000 & echo started; wait; sleep 1000"]
    child = Child("stubborn", stubborn, tmp_path / "stubborn.log", {"MARK": str(tmp_path)})
    child.start()
    assert await until(lambda: _says(child, "started"), deadline_s=30)
    await child.stop(grace_s=0.2)
    assert not child.running
    assert await until(lambda: _left_nothing(tmp_path), deadline_s=30)


def test_no_port_is_picked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.child.port_is_free", lambda _: True)
    picked = free_port()
    reserve_port(31_498)
    drawn = iter([picked, 31_498, 31_499])
    monkeypatch.setattr("random.SystemRandom.choice", lambda *_: next(drawn))
    assert free_port() == 31_499


def test_processes_side_by_side_pick_different_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.child._ports", range(20_000, 20_010))
    # Whatever an earlier test of this process has picked, or somebody listens on: it is not what this test is about.
    monkeypatch.setattr("deploy.local.child._picked", set[int]())
    monkeypatch.setattr("deploy.local.child.port_is_free", lambda _: True)
    take_share_of_ports(1, 5)
    monkeypatch.setattr("random.SystemRandom.choice", lambda _, ports: ports[-1])
    assert free_port() == 20_006


async def test_a_port_is_taken_while_somebody_listens() -> None:
    port = free_port()
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", port)
    assert not port_is_free(port)
    server.close()
    await server.wait_closed()
    assert port_is_free(port)


async def _left_nothing(data_dir: Path) -> bool:
    return not processes_of(data_dir)


async def _never() -> bool:
    return False


async def _says(child: Child, word: str) -> bool:
    return word in child.log_tail()


def test_one_replica_of_a_service_listens_where_the_others_look_for_it(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    assert stack.replica_ports == {name: [front] for name, front in stack.fronts.items()}
    assert stack.parts["cases"].child.env["CASES_PORT"] == str(stack.fronts["cases"])


@pytest.mark.parametrize("service", [*SERVICES, "gateway"])
def test_of_two_replicas_each_has_a_port_of_its_own_and_a_balancer_gets_the_one_where_others_look(
    tmp_path: Path, service: str
) -> None:
    stack = Stack(tmp_path, replicas=2)
    setting = "PORTICO_PORT" if service == "gateway" else f"{service.upper()}_PORT"
    ports = [int(stack.parts[name].child.env[setting]) for name in (service, f"{service}-2")]
    assert ports == stack.replica_ports[service]
    assert len({*ports, stack.fronts[service]}) == 3


def test_a_service_without_its_broker_or_its_consumers_is_not_ready_for_a_stack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bus = Bus(UNREACHABLE_BROKER, app_id="cases")
    bus.consume(CASES, {})
    assert not _has_its_bus({"ready": True, "degraded": _degraded(bus)})
    monkeypatch.setattr(Bus, "connected", property(lambda _: True))
    assert not _has_its_bus({"ready": True, "degraded": _degraded(bus)})
    assert _has_its_bus({"ready": True, "degraded": {"oldest_pending_event": "2026-01-01T00:00:00+00:00"}})

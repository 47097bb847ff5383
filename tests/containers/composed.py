"""Portico in containers, started from `deploy/compose.yaml` under a project name of its own."""

import asyncio
import json
import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

import aiohttp

from deploy.local.child import free_port
from deploy.local.waiting import until

SERVICES = ("gateway", "identity", "cases", "contracts", "notifications")
_REPOSITORY = Path(__file__).resolve().parents[2]
_FILE = _REPOSITORY / "deploy" / "compose.yaml"


class ComposeFailed(Exception):
    """A command ended with a failure; the text is what it said."""


def compose_program() -> list[str] | None:
    """The machine's Compose, the plugin or the program of old; None where there is none, or no engine."""
    for words in (["docker", "compose"], ["docker-compose"]):
        try:
            subprocess.run([*words, "version"], check=True, capture_output=True)
            subprocess.run(["docker", "info"], check=True, capture_output=True)  # noqa: S607  # as its user would
        except (OSError, subprocess.CalledProcessError):
            continue
        return words
    return None


class Composed:
    """`up` it, `kill` a container of it, `down` it. Two replicas of each service; reached as by people, through TLS."""

    def __init__(self, program: list[str], folder: Path, *, without: str = "") -> None:
        """`folder` takes the file of settings; `without` names one to leave out."""
        self.project = f"portico-test-{secrets.token_hex(3)}"
        self.port, self.mail_page_port = free_port(), free_port()
        settings = {
            "PORTICO_SECRET_KEY": secrets.token_hex(32),
            "RABBITMQ_PASSWORD": secrets.token_hex(16),
            "PORTICO_HTTPS_PORT": str(self.port),
            "PORTICO_MAIL_PAGE_PORT": str(self.mail_page_port),
            # Others than those of the file, where the machine has them and no registry.
            **{
                name: value
                for name, value in os.environ.items()
                if name.startswith("PORTICO_") and name.endswith("_IMAGE")
            },
        }
        lines = [f"{name}={value}\n" for name, value in settings.items() if name != without]
        file = folder / f"{self.project}.env"
        file.write_text("".join(lines))
        self._argv = [*program, "--env-file", str(file), "-f", str(_FILE), "-p", self.project]

    @property
    def local_url(self) -> str:
        return f"https://localhost:{self.port}"

    async def up(self) -> None:
        """Build, start what does not run yet, and wait until every container is healthy."""
        replicas = [word for name in SERVICES for word in ("--scale", f"{name}=2")]
        await self.run("up", "-d", "--build", *replicas)
        if not await until(self.is_healthy, deadline_s=300, pause_s=1):
            raise ComposeFailed(f"{await self.health()}\n{await self.run('logs', '--tail', '30')}")

    async def down(self, *options: str) -> None:
        """Stop and remove the containers; with `-v` their data, too."""
        await self.run("down", "--remove-orphans", *options)

    async def keep_logs(self) -> Path:
        """What all containers said, in a file that outlives them."""
        file = _REPOSITORY / "var" / "containers.log"
        file.parent.mkdir(exist_ok=True)
        file.write_text(await self.run("logs", "--no-color", "--timestamps"), encoding="utf-8")
        return file

    async def health(self) -> dict[str, str]:
        """What the engine says of each container: its health, or its state where it has no health check."""
        return {
            container["Name"].lstrip("/"): container["State"].get("Health", container["State"])["Status"]
            for container in await self.inspected()
        }

    async def is_healthy(self) -> bool:
        health = await self.health()
        once = {name for name in health if "replica-set" in name}
        return all(state == ("exited" if name in once else _good(name)) for name, state in health.items()) and bool(
            once
        )

    async def inspected(self, service: str = "") -> list[dict[str, Any]]:
        """Everything the engine knows of the containers of one service, or of all."""
        label = f"label=com.docker.compose.project={self.project}"
        chosen = ("--filter", f"label=com.docker.compose.service={service}") if service else ()
        ids = (await docker("ps", "-aq", "--filter", label, *chosen)).split()
        containers: list[dict[str, Any]] = json.loads(await docker("inspect", *ids)) if ids else []
        return containers

    async def names(self, service: str) -> list[str]:
        """The containers of one service that run now."""
        return sorted(c["Name"].lstrip("/") for c in await self.inspected(service) if c["State"]["Running"])

    async def authority(self) -> str:
        """The certificate, as PEM, of the proxy's own authority."""
        return await self.run("exec", "-T", "proxy", "cat", "/data/caddy/pki/authorities/local/root.crt")

    async def mails(self, to: str = "") -> list[dict[str, Any]]:
        """What the mail catcher holds, newest first."""
        query = {"to": to} if to else {}
        async with (
            aiohttp.ClientSession(raise_for_status=True) as http,
            http.get(f"http://127.0.0.1:{self.mail_page_port}/api/mails", params=query) as answer,
        ):
            mails: list[dict[str, Any]] = await answer.json()
            return mails

    async def run_service_command(self, *words: str, stdin: str = "") -> tuple[int, str]:
        """Run `python -m services.<words…>` in a container of that service; its exit code and all it printed."""
        inside = ("exec", "-T", words[0], "python", "-m", f"services.{words[0]}", *words[1:])
        return await _run([*self._argv, *inside], stdin)

    async def run(self, *words: str) -> str:
        """A Compose command on this project; what it printed."""
        code, said = await _run([*self._argv, *words])
        if code:
            raise ComposeFailed(said)
        return said


def _good(name: str) -> str:
    return "running" if "proxy" in name else "healthy"


async def docker(*words: str) -> str:
    """A command of the engine; what it printed."""
    code, said = await _run(["docker", *words])
    if code:
        raise ComposeFailed(said)
    return said


async def _run(argv: list[str], stdin: str = "") -> tuple[int, str]:
    # The settings of whoever runs the tests stay out of them.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PORTICO_", "COMPOSE_"))}
    process = await asyncio.to_thread(
        subprocess.run,
        argv,
        env=environment,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return process.returncode, process.stdout

"""django-helpdesk on PostgreSQL, on the same machine and under the same load: what a company would take instead.

Its packages come into `var/peer` and PostgreSQL from Debian, only when it is asked for (`ARGS=--peer`).
"""

import asyncio
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from deploy.local.child import Child, free_port
from deploy.local.parts import answers
from tests.bench.load import Load, Request
from tests.bench.measuring import Bench, keeps_up
from tests.bench.rates import highest_sustained
from tests.bench.words import a_text, a_title

_REPOSITORY = Path(__file__).resolve().parents[2]
_SITE = Path(__file__).with_name("peer")
_ENVIRONMENT = _REPOSITORY / "var" / "peer"
_PACKAGES = ("django-helpdesk==2.6.1", "gunicorn==27.0.1", "psycopg[binary]==3.3.9")
_MAILS_EACH = 2  # the submitter's, and the copy that the queue asks for
_MAILS_WITHIN_S = 60.0
_READY_WITHIN_S = 60.0
# For two cores, by gunicorn's own rule.
_WORKERS = 2 * (os.cpu_count() or 1) + 1


async def measure_reference(bench: Bench) -> None:
    """Tickets through its API with both their mails, which it sends before it answers."""
    folder = bench.stack.data_dir / "peer"
    await _install()
    async with _postgres(folder) as port:
        environment = {
            "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONPATH": str(_SITE),
            "PEER_DB_PORT": str(port),
            "PEER_SMTP_PORT": bench.sink.url.rpartition(":")[2],
            "PEER_SECRET_KEY": secrets.token_urlsafe(48),
            "HOME": str(folder),  # where gunicorn keeps a socket
        }
        await _run(_python(), "-m", "django", "migrate", "--verbosity", "0", environment=environment)
        token = await _run(_python(), str(_SITE / "prepare.py"), environment=environment)
        async with _served(folder, environment) as own_port:
            await _measure(bench, own_port, token)


async def _measure(bench: Bench, port: int, token: str) -> None:
    rng = bench.rng
    headers = {"Host": "localhost", "Authorization": f"Token {token}", "Content-Type": "application/json"}
    requests = [
        Request(
            "POST",
            "/api/tickets/",
            headers,
            orjson.dumps(
                {
                    "queue": 1,
                    "title": a_title(rng),
                    "description": a_text(rng, 60),
                    "submitter_email": f"ana.{number}@company.example",
                    "priority": 3,
                }
            ).decode(),
        )
        for number in range(200)
    ]
    probe = await bench.load(requests, rate=None, seconds=bench.durations.probe, port=port)
    if not probe.latencies_s:
        raise RuntimeError(f"django-helpdesk refused: {probe.refused}")
    answered = [probe]

    async def is_sustained(rate: float) -> bool:
        answered.append(await bench.load(requests, rate=rate, seconds=bench.durations.step, port=port))
        return keeps_up(answered[-1])

    found = await highest_sustained(is_sustained, probe.answered_per_s)
    bench.figures.add("django-helpdesk: tickets created, mails sent", "1/s", found.rate)
    await _expect_mails(bench, answered)


async def _expect_mails(bench: Bench, answered: list[Load]) -> None:
    wanted = _MAILS_EACH * sum(len(each.latencies_s) for each in answered)
    # Their subjects have no number of a case.
    came = await bench.sink.mails_of(["-"], each=wanted, within_s=_MAILS_WITHIN_S)
    if len(came["-"]) < wanted:
        raise RuntimeError(f"of {wanted} mails of django-helpdesk {len(came['-'])} came")


async def _install() -> None:
    await _run(str(_REPOSITORY / "deploy" / "local" / "bootstrap.sh"), "peer")
    if not Path(_python()).exists():
        await _run(sys.executable, "-m", "venv", str(_ENVIRONMENT))
    await _run(_python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *_PACKAGES)


def _python() -> str:
    return str(_ENVIRONMENT / "bin" / "python")


@asynccontextmanager
async def _postgres(folder: Path) -> AsyncIterator[int]:
    """A server of our own, with its data below `folder`; as durable as it is by default."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data, port = folder / "postgres", free_port()
    data.mkdir(parents=True)
    # It refuses to run as root.
    as_user: tuple[str, ...] = ()
    if os.geteuid() == 0:
        shutil.chown(data, "postgres")
        for above in (folder, folder.parent):
            above.chmod(0o755)
        as_user = ("runuser", "-u", "postgres", "--")
    await _run(*as_user, str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust")
    words = ("-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(data))
    server = Child("postgres", [*as_user, str(programs / "postgres"), *words], folder / "postgres.log")
    server.start()
    try:
        await server.wait_until(lambda: answers(port), deadline_s=_READY_WITHIN_S)
        yield port
    finally:
        await server.stop()


@asynccontextmanager
async def _served(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[int]:
    port = free_port()
    words = ("--bind", f"127.0.0.1:{port}", "--workers", str(_WORKERS), "--keep-alive", "75", "--threads", "8")
    application = "django.core.wsgi:get_wsgi_application()"
    site = Child(
        "django-helpdesk", [_python(), "-m", "gunicorn", *words, application], folder / "site.log", environment
    )
    site.start()
    try:
        await site.wait_until(lambda: answers(port), deadline_s=_READY_WITHIN_S)
        yield port
    finally:
        await site.stop()


async def _run(*words: str, environment: Mapping[str, str] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *words,
        env={**os.environ, **(environment or {})},
        cwd=_SITE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{words[0]}: {output.decode(errors='replace')[-2000:]}")
    return output.decode().strip()

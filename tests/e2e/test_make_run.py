"""What `make run` promises: ready with one line, alone on its data, self-healing, gone without a trace."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from playwright.async_api import Browser

from deploy.local.child import Child, free_port
from deploy.local.demo_cases import STORIES
from deploy.local.demo_data import ARNO, TOM, VENDOR, Person
from deploy.local.portal import Json, Portal, signed_in
from deploy.local.stack import SERVICES
from deploy.local.waiting import until
from shared.schemas.case_answers import StatusName
from tests.browser import pictures

_REPOSITORY = Path(__file__).resolve().parents[2]
_FOREIGN = ("MONGO_URL", "RABBITMQ_URL", "PORTICO_SMTP_URL", "PORTICO_SECRET_KEY", "PORTICO_BASE_URL")

pytestmark = pytest.mark.timeout(400)


def _make_run(data_dir: Path, port: int, demo: str) -> Child:
    command = [sys.executable, "-m", "deploy.local"]
    environment = {"PORTICO_DATA_DIR": str(data_dir), "PORTICO_PORT": str(port), "PORTICO_DEMO": demo}
    # Another data folder's log, so that each start has its own.
    log = data_dir.with_name(f"run-{port}.log")
    return Child("make-run", command, log, environment | dict.fromkeys(_FOREIGN, ""), cwd=_REPOSITORY)


@asynccontextmanager
async def _running(data_dir: Path, port: int, *, demo: str = "1") -> AsyncIterator[Child]:
    run = _make_run(data_dir, port, demo)
    run.start()
    try:
        await run.wait_until(lambda: _says(run, f"Portico is ready: http://localhost:{port}\n"), deadline_s=150)
        yield run
    finally:
        await run.stop(grace_s=60)


async def _says(run: Child, text: str) -> bool:
    return text in run.log.read_text(encoding="utf-8")


def _password_in(run: Child) -> str:
    line = next(line for line in run.log.read_text(encoding="utf-8").splitlines() if VENDOR.email in line)
    return line.split(" / ")[1].split()[0]


def _as(person: Person, run: Child) -> AbstractAsyncContextManager[Portal]:
    return signed_in(f"http://127.0.0.1:{run.env['PORTICO_PORT']}", person.email, _password_in(run))


async def _cases_in(run: Child) -> list[Json]:
    """The cases, the oldest first, with their history, as an agent sees them."""
    async with _as(ARNO, run) as agent:
        rows = (await agent.get("/cases?limit=200&sort=number"))["items"]
        return [await agent.get(f"/cases/{row['number']}") for row in rows]


def _told(case: Json) -> tuple[Any, ...]:
    entries = [(entry["id"], entry["kind"], entry["text"]) for entry in case["history"]]
    return case["number"], case["status"], case["version"], case["title"], entries


async def _the_demo_is_alive(run: Child) -> list[Json]:
    cases, now = await _cases_in(run), datetime.now(UTC)
    assert [case["title"] for case in cases] == [story.title for story in STORIES]
    assert {case["status"] for case in cases} == set(get_args(StatusName))
    assert {case["coverage"]["verdict"] for case in cases} == {"covered", "not_covered"}
    for case, story in zip(cases, STORIES, strict=True):
        times = [datetime.fromisoformat(entry["at"]) for entry in case["history"]]
        assert len(times) == 1 + len(story.steps)
        for time, told in zip(times, story.times(now), strict=True):
            assert timedelta() <= told - time < timedelta(minutes=3), case["title"]
        # A note does not count as a change of the case.
        changed = [entry["at"] for entry in case["history"] if not entry["internal"]]
        assert (case["created_at"], case["updated_at"]) == (changed[0], changed[-1])
        assert case["closed_at"] == (changed[-1] if case["status"] in {"closed", "cancelled"} else None)
        assert case["turn_since"] is None or case["turn_since"] in changed

    async with _as(ARNO, run) as agent:
        counted = (await agent.get("/cases/facets"))["status"]
        assert {facet["value"]: facet["count"] for facet in counted} == Counter(case["status"] for case in cases)
        assert all(file["state"] == "ready" for case in cases for file in case["attachments"])
    async with _as(TOM, run) as customer:
        waiting = (await customer.get("/cases?view=waiting"))["items"]
        assert len(waiting) == 3
        assert not any(row["confidential"] for row in (await customer.get("/cases?limit=200"))["items"])
    return cases


async def _readme_shows_it(browser: Browser, portal_url: str, password: str) -> None:
    async for name, page in pictures.pages(browser, portal_url, password):
        kept = (pictures.FOLDER / f"{name}.txt").read_text(encoding="utf-8")
        assert await pictures.words_of(page) == kept, "Run `make pictures`."


def _left_behind(data_dir: Path) -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            known = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(data_dir).encode() in known:
            yield process.name


def _process_of(module: str, data_dir: Path) -> int | None:
    for number in _left_behind(data_dir):
        with suppress(OSError):
            if f"-m\0{module}\0".encode() in Path(f"/proc/{number}/cmdline").read_bytes():
                return int(number)
    return None


async def _started_too(run: Child, **other: str) -> "subprocess.CompletedProcess[bytes]":
    environment = {**os.environ, **run.env, **other}
    return await asyncio.to_thread(subprocess.run, run.argv, env=environment, capture_output=True, check=False)


@pytest.fixture
def data_dir(parts_dir: Path, tmp_path: Path) -> Path:
    return parts_dir / tmp_path.name / "var"


async def test_it_is_ready_heals_itself_stops_or_is_killed_without_a_trace_and_starts_again_with_its_data(
    data_dir: Path, browser: Browser
) -> None:
    data_dir.mkdir(parents=True)
    async with _running(data_dir, free_port()) as run:
        password, port = _password_in(run), run.env["PORTICO_PORT"]
        cases_before = await _the_demo_is_alive(run)
        await _readme_shows_it(browser, f"http://localhost:{port}", password)

        second, same_port = await asyncio.gather(_started_too(run, PORTICO_PORT=str(free_port())), _started_too(run))
        assert second.returncode == 1
        assert b"runs already with the data in" in second.stderr

        assert (same_port.returncode, same_port.stderr.decode()) == (
            1,
            f"Port {port} is in use. Set PORTICO_PORT to another one.\n",
        )

        cases = _process_of("services.cases", data_dir)
        assert cases is not None
        os.kill(cases, signal.SIGKILL)
        assert await until(
            lambda: _says(run, "cases ended with exit code -9; it starts again in 0.5 s."), deadline_s=60
        )

        assert (data_dir / "stack.env").stat().st_mode & 0o077 == 0
        run.send(signal.SIGINT)
        await run.ended()
        assert (run.exit_code, list(_left_behind(data_dir))) == (0, [])

    # As if it had been stopped before the demo was whole: what is there is not made again.
    (data_dir / "demo.ready").unlink()
    async with _running(data_dir, free_port()) as run:
        assert _password_in(run) == password
        async with _as(VENDOR, run) as vendor:
            assert vendor.user["role"] == "vendor_admin"
        assert list(map(_told, await _the_demo_is_alive(run))) == list(map(_told, cases_before))

        # A supervisor that is killed leaves nothing behind either.
        os.kill(run.pid, signal.SIGKILL)

        async def all_gone() -> bool:
            return not list(_left_behind(data_dir))

        assert await until(all_gone, deadline_s=120), list(_left_behind(data_dir))


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    data_dir = tmp_path / "file" / "var"
    run = _make_run(data_dir, free_port(), demo="0")
    refused = subprocess.run(run.argv, env={**os.environ, **run.env}, capture_output=True, check=False, cwd=_REPOSITORY)
    assert (refused.returncode, refused.stderr.decode()) == (
        1,
        f"The data folder {data_dir} cannot be written: Not a directory. Set PORTICO_DATA_DIR to another one.\n",
    )


async def test_it_stops_without_a_trace_while_it_starts(data_dir: Path) -> None:
    data_dir.mkdir(parents=True)
    run = _make_run(data_dir, free_port(), demo="0")
    run.start()
    try:

        async def all_are_there() -> bool:
            return all(_process_of(f"services.{service}", data_dir) for service in ("gateway", *SERVICES))

        await run.wait_until(all_are_there, deadline_s=90)
        assert not await _says(run, "Portico is ready")
        run.send(signal.SIGTERM)
        await run.ended()
        assert not await _says(run, "Portico is ready")
        assert (run.exit_code, list(_left_behind(data_dir))) == (0, [])
    finally:
        await run.stop(grace_s=60)

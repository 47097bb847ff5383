"""The tests' real parts: mongod, RabbitMQ, SMTP, the whole stack and a browser, started once and stopped at the end."""

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page, expect

from deploy.local.child import take_share_of_ports
from deploy.local.parts import Mongod, RabbitMQ
from deploy.local.stack import Borrowed, Part, Stack
from tests.chromium import a_chromium
from tests.contained import ContainedMongod, ContainedRabbitMQ
from tests.logged import Logged
from tests.scripted_smtp import ScriptedSmtp
from tests.unbounded import UNBOUNDED

# `processes` needs no Docker; `containers` takes mongo:8 and rabbitmq:4 from the machine's engine.
_IN_CONTAINERS = os.environ.get("PORTICO_TEST_PARTS", "processes") == "containers"
_IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


# The browser's own 5 s are short for a machine that does something else as well.
expect.set_options(timeout=20_000)


# `make test` begins with the longest, so that all its processes end together.
_KINDS = ("e2e", "browser", "platform", "service")


def pytest_configure() -> None:
    """Each process of a run (pytest-xdist) has parts of its own, on ports of its own."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        take_share_of_ports(int(worker.removeprefix("gw")), int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes name no test: an archive holds the time when it was made, and the processes of a run must agree."""
    return argname if isinstance(val, bytes) else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After they were shuffled."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        items.sort(key=_kind)


def _kind(item: pytest.Item) -> int:
    kind = item.path.relative_to(item.config.rootpath / "tests").parts[0]
    return _KINDS.index(kind) if kind in _KINDS else len(_KINDS)


def pytest_collection_finish() -> None:
    """Two thousand tests and their modules stay: looking through them again and again would hold up the event loop."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Logged:
    """What our own code logs meanwhile."""
    return Logged(capsys)


@pytest.fixture
def nothing_is_collected() -> Iterator[None]:
    """For who counts processor time: looking for garbage goes through what all tests so far have left."""
    gc.disable()
    yield
    gc.enable()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI nothing may be skipped: a skipped test there is a test that nobody ran."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not _IN_CI or reporter is None:
        return
    for report in reporter.stats.get("skipped", []):
        reporter.write_line(f"skipped, which CI does not allow: {report.nodeid}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def parts_dir() -> Iterator[Path]:
    """A folder for the data of the parts; in memory where possible, because tests need no disk."""
    memory = Path("/dev/shm")  # noqa: S108  # a fresh folder with a random name is made below it
    path = Path(tempfile.mkdtemp(prefix="portico-tests-", dir=memory if os.access(memory, os.W_OK) else None))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
async def mongod(parts_dir: Path) -> AsyncIterator[Mongod | ContainedMongod]:
    """The mongod of this test run. Shared: a test that kills one takes `own_mongod`."""
    part = ContainedMongod() if _IN_CONTAINERS else Mongod(parts_dir / "mongod")
    try:
        await part.start()
        yield part
    finally:
        await part.stop()


@pytest.fixture(scope="session")
async def mongo_url(mongod: Mongod) -> str:
    """A real replica set; take a database of your own in it."""
    return mongod.url


@pytest.fixture(scope="session")
async def rabbitmq(parts_dir: Path) -> AsyncIterator[RabbitMQ | ContainedRabbitMQ]:
    """The broker of this test run. Shared: who kills or freezes it leaves it as it was."""
    part = ContainedRabbitMQ() if _IN_CONTAINERS else RabbitMQ(parts_dir / "rabbitmq", management=True)
    try:
        await part.start()
        yield part
    finally:
        await part.stop()


@pytest.fixture
async def absent_mongod(parts_dir: Path) -> AsyncIterator[Mongod | ContainedMongod]:
    """A mongod for this one test, which has not been started yet."""
    part = ContainedMongod(cache_gb=0.25) if _IN_CONTAINERS else Mongod(parts_dir / uuid4().hex, cache_gb=0.25)
    try:
        yield part
    finally:
        await part.stop()


@pytest.fixture
async def own_mongod(absent_mongod: Mongod | ContainedMongod) -> Mongod | ContainedMongod:
    """A mongod for this one test, which may kill and restart it."""
    await absent_mongod.start()
    return absent_mongod


@pytest.fixture
async def smtp_server() -> AsyncIterator[ScriptedSmtp]:
    """An SMTP server that keeps what it gets and refuses whom the test tells it to."""
    server = ScriptedSmtp()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture(scope="session")
async def stack(parts_dir: Path) -> AsyncIterator[Stack]:
    """All five services on real parts, without demo data. A test that kills a part restarts it before it ends."""
    environment = {"PORTICO_RETRY_DELAYS_S": "0.2,0.5,1,2,5", **UNBOUNDED}
    if _IN_CONTAINERS:
        mongod, rabbitmq = ContainedMongod(), ContainedRabbitMQ()
        borrowed = Borrowed(mongo_url=mongod.url, rabbitmq_url=rabbitmq.url)
        whole = Stack(parts_dir / "stack", borrowed=borrowed, environment=environment)
        # Only the supervisor of `make run`, which has no part here, asks a part for its process.
        whole.parts |= cast("dict[str, Part]", {"mongod": mongod, "rabbitmq": rabbitmq})
    else:
        whole = Stack(parts_dir / "stack", environment=environment)
    try:
        await whole.start()
        yield whole
    finally:
        await whole.stop()


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with a_chromium() as chromium:
        yield chromium


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page in a browser profile of its own: no cookies, no cache."""
    async with await browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB") as context:
        context.set_default_timeout(30_000)
        yield await context.new_page()

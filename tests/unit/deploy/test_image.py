"""What the image is made of, as far as it can be said without an engine; the rest is in `tests/containers`."""

import asyncio
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.containers import healthy
from deploy.local.child import free_port
from services.cases.settings import CasesSettings
from services.contracts.settings import ContractsSettings
from services.gateway.settings import GatewaySettings
from services.identity.settings import IdentitySettings
from services.notifications.settings import NotificationsSettings

ROOT = Path(__file__).resolve().parents[3]


def locked(name: str) -> Mapping[str, str]:
    """Package → its version, marker and hashes."""
    text = re.sub(r"^ +#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE).replace("\\\n", "")
    return {line.partition("==")[0]: line for line in text.splitlines()}


def asked_for(requirements: list[str]) -> set[str]:
    return {match[0].lower() for requirement in requirements if (match := re.match(r"[\w.-]+", requirement))}


def test_the_image_gets_the_packages_that_were_tested_and_none_that_only_tests_need() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    everything, at_run_time = locked("requirements.lock"), locked("requirements-runtime.lock")
    assert {name: everything.get(name) for name in at_run_time} == at_run_time
    assert asked_for(project["project"]["dependencies"]) <= at_run_time.keys()
    assert not asked_for(project["dependency-groups"]["dev"]) & at_run_time.keys()


def test_motor_is_an_extra_which_the_image_has_not_and_the_tests_have() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert asked_for(project["project"]["optional-dependencies"]["motor"]) == {"motor"}
    assert "motor" not in locked("requirements-runtime.lock")
    assert "motor" in locked("requirements.lock")


def test_the_health_check_asks_every_port_that_a_process_listens_on_by_default() -> None:
    services = (IdentitySettings, CasesSettings, ContractsSettings, NotificationsSettings)
    own = {settings.model_fields["port"].default for settings in services}
    assert own | {GatewaySettings.model_fields["ops_port"].default} <= set(healthy.PORTS)


@pytest.mark.parametrize(("status", "healthy_then"), [(200, True), (503, False), (404, False)])
async def test_only_who_says_that_it_is_ready_is_healthy(status: int, *, healthy_then: bool) -> None:
    async def readyz(_request: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/readyz", readyz)
    async with TestServer(app) as server:
        assert server.port is not None
        assert await asyncio.to_thread(healthy.is_ready, server.port) is healthy_then


def test_nobody_there_is_not_healthy() -> None:
    assert not healthy.is_ready(free_port())

"""The gateway that these tests call, with stand-ins for the services behind it."""

from collections.abc import AsyncIterator

import pytest

from tests.service.gateway.stand_ins import DEADLINES, Gateway, a_gateway


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """Four services that answer as told; identity knows one session."""
    async with a_gateway() as it:
        yield it


@pytest.fixture
async def gateway_with_short_deadlines() -> AsyncIterator[Gateway]:
    """The same with deadlines that a test can wait for."""
    async with a_gateway(DEADLINES) as it:
        yield it

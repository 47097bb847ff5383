"""The house that the gateway's tests stand before."""

from collections.abc import AsyncIterator

import pytest

from tests.service.gateway.stand_ins import DEADLINES, House, a_house


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Four services that answer as told; identity knows one session."""
    async with a_house() as it:
        yield it


@pytest.fixture
async def impatient() -> AsyncIterator[House]:
    """The same with deadlines that a test can wait for."""
    async with a_house(DEADLINES) as it:
        yield it

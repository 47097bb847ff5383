"""The gateway that these tests call, with stand-ins for the services behind it."""

from collections.abc import AsyncIterator

import pytest

from tests.service.gateway.stand_ins import PATIENT, Gateway, a_gateway


@pytest.fixture
async def gateway(request: pytest.FixtureRequest) -> AsyncIterator[Gateway]:
    """Four services that answer as told; identity knows one session. See `with_deadlines`."""
    async with a_gateway(getattr(request, "param", PATIENT)) as it:
        yield it

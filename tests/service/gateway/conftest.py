"""The house that the gateway's tests stand before."""

from collections.abc import AsyncIterator

import pytest

from tests.service.gateway.stand_ins import NAMES, House, StandIn, a_portal, a_session, says


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Four services that answer as told; identity knows one session."""
    services = {name: StandIn() for name in NAMES}
    for stand_in in services.values():
        await stand_in.start()
    services["identity"].answers("POST /session/resolve", says(a_session()))
    portal = await a_portal({name: stand_in.url for name, stand_in in services.items()})
    try:
        yield House(services, portal)
    finally:
        await portal.close()
        for stand_in in services.values():
            await stand_in.stop()

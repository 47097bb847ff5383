"""What the platform's tests run on."""

from collections.abc import AsyncIterator
from typing import get_args

import pytest

from deploy.local.parts import RabbitMQ
from shared.mongo import Driver
from tests.contained import ContainedRabbitMQ
from tests.platform.bus_helpers import a_vhost


@pytest.fixture(params=get_args(Driver), scope="module")
def driver(request: pytest.FixtureRequest) -> Driver:
    """Either driver of the database: what takes it runs once on each."""
    driver: Driver = request.param
    return driver


@pytest.fixture
async def fresh_vhost_url(rabbitmq: RabbitMQ | ContainedRabbitMQ) -> AsyncIterator[str]:
    """An empty virtual host of the run's broker, dropped afterwards."""
    async with a_vhost(rabbitmq) as url:
        yield url

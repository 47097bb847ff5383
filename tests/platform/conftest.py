"""What the platform's tests run on."""

from typing import get_args

import pytest

from shared.mongo import Driver


@pytest.fixture(params=get_args(Driver), scope="module")
def driver(request: pytest.FixtureRequest) -> Driver:
    """Either driver of the database: what takes it runs once on each."""
    driver: Driver = request.param
    return driver

"""The same fixtures as the end-to-end tests have, but their stack runs in containers, two of each service."""

from collections.abc import AsyncIterator
from time import monotonic

import pytest

from tests.containers.composed import Composed, compose_program
from tests.e2e.conftest import customer, new_customer, rival, vendor
from tests.e2e.portal import TRUSTED

__all__ = ["customer", "new_customer", "rival", "vendor"]


@pytest.fixture(scope="session")
def program() -> list[str]:
    """The machine's Compose."""
    found = compose_program()
    if found is None:
        pytest.exit("make containers needs a Docker engine that answers, and Compose. `make test` needs neither.", 1)
    return found


@pytest.fixture(scope="session")
async def stack(program: list[str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Composed]:
    """All of `deploy/compose.yaml`, from nothing; removed with its data at the end."""
    whole = Composed(program, tmp_path_factory.mktemp("composed"))
    try:
        began = monotonic()
        await whole.up()
        print(f"built, started and healthy after {monotonic() - began:.0f} s")  # noqa: T201  # shown with -s
        TRUSTED.load_verify_locations(cadata=await whole.authority())
        yield whole
    finally:
        print(f"all logs: {await whole.keep_logs()}")  # noqa: T201
        await whole.down("-v")

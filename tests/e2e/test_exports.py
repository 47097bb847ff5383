"""An export in the background, of which the process that makes it is killed."""

import csv
import io
from datetime import datetime

import pytest

from deploy.local.stack import Stack
from deploy.local.waiting import until
from tests.builders import Json
from tests.e2e.conftest import NewCustomer
from tests.e2e.copied import Copies, copying
from tests.e2e.portal import Visitor

CASES = 8_000


@pytest.mark.timeout(300)
async def test_an_export_survives_kill_9_of_the_process_that_makes_it(stack: Stack, new_customer: NewCustomer) -> None:
    admin = (await new_customer()).admin
    async with copying(stack) as copies:
        await _is_made_whole(stack, admin, copies)


async def _is_made_whole(stack: Stack, admin: Visitor, copies: Copies) -> None:
    first = (await admin.submit())["number"]
    await copies.add(first, times=CASES)
    wanted = await admin.post("/cases/exports", {"format": "csv"})
    path = f"/cases/exports/{wanted['id']}"

    async def is_begun() -> bool:
        return bool((await admin.get(path))["state"] == "running")

    assert await until(is_begun, deadline_s=60, pause_s=0.005)
    shown: Json = await admin.get(path)
    assert shown["state"] == "running", "it was to be killed in the middle of the work"
    stack.kill("cases")
    # Nobody knows yet that it was killed; when that is known, everything begins anew.
    await copies.add(first, times=1)
    await stack.restart("cases")

    async def is_over() -> bool:
        return (await admin.get(path))["state"] not in ("waiting", "running")

    assert await until(is_over, deadline_s=120, pause_s=0.2)
    done = await admin.get(path)
    assert (done["state"], done["rows"], done["total"]) == ("done", CASES + 2, CASES + 2)
    assert datetime.fromisoformat(done["as_of"]) > datetime.fromisoformat(shown["as_of"])
    answer = await admin.call("GET", f"{path}/file")
    assert len(answer.body) == done["size"]
    numbers = [row[0] for row in csv.reader(io.StringIO(answer.body.decode("utf-8-sig"), newline=""))][1:]
    assert len(numbers) == len(set(numbers)) == CASES + 2
    assert first in numbers

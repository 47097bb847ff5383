"""The authorization matrix: every route, every kind of visitor, asked of the whole running stack."""

import re
import zipfile
from collections.abc import AsyncIterator, Mapping
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from deploy.local.stack import Stack
from services.gateway.routes import ROUTES
from tests.client import Answer, CheckedResponse
from tests.e2e.authz_world import COLUMNS, PREPARE, World

_ROW = re.compile(r"(?P<name>[A-Z]+ /\S*): \{(?P<cells>[^{}]+)\}")
# Whoever holds an invitation's code may see what it invites to.
_MAY_SHOW_THE_COMPANY = {"GET /invitations/{code}", "POST /invitations/{code}/accept"}
# They repeat what the asker wrote, which names the first company's serial.
_REPEATS_THE_QUESTION = {"GET /coverage", "GET /cases.xlsx", "GET /cases.csv"}


def _read_matrix() -> dict[str, dict[str, int]]:
    """The rows of `authz.yaml`, which keeps to one line a row; anything else in it is an error."""
    text = (Path(__file__).parents[1] / "authz.yaml").read_text(encoding="utf-8")
    matrix: dict[str, dict[str, int]] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        row = _ROW.fullmatch(line)
        assert row is not None, f"not a row: {line}"
        assert row["name"] not in matrix, f"twice: {row['name']}"
        matrix[row["name"]] = {
            column.strip(): int(status) for column, status in (cell.split(":") for cell in row["cells"].split(","))
        }
    return matrix


MATRIX = _read_matrix()
CELLS = [(name, column) for name in MATRIX for column in COLUMNS]


@pytest.fixture(scope="module")
async def world(stack: Stack) -> AsyncIterator[World]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), response_class=CheckedResponse) as http:
        made = World(stack, http)
        await made.build()
        yield made


def test_every_route_of_the_table_has_a_row_and_every_row_a_route() -> None:
    assert set(MATRIX) == {route.name for route in ROUTES}


def test_every_row_names_every_column() -> None:
    assert {name: set(row) for name, row in MATRIX.items()} == {name: set(COLUMNS) for name in MATRIX}


def test_every_row_has_a_request() -> None:
    assert set(PREPARE) == set(MATRIX)


def test_what_nobody_may_do_unless_signed_in_is_what_the_table_says() -> None:
    closed = {name for name, row in MATRIX.items() if row["anonymous"] == 401}
    assert closed == {route.name for route in ROUTES if route.access.name == "SIGNED_IN"}


@pytest.mark.parametrize(("name", "column"), CELLS)
async def test_the_answer_is_the_matrix_cell(world: World, name: str, column: str) -> None:
    method, path = name.split(" ")
    who = world.people[column]
    answer = await world.ask(method, path, who, await PREPARE[name](world, who))
    assert answer.status == MATRIX[name][column], answer.text[:2000]
    if column in {"anonymous", "other_company", "suspended"} and name not in _MAY_SHOW_THE_COMPANY:
        assert not _shows(world, name, answer)


def _shows(world: World, name: str, answer: Answer) -> list[str]:
    """What of the first company stands in an answer."""
    told = _unpacked(answer).lower()
    canaries: Mapping[str, str] = {
        "text": world.canary,
        "company": world.company_id,
        "site": world.site_id,
        "case": world.number,
        "user": world.people["own"].user["id"],
    }
    if name in _REPEATS_THE_QUESTION:
        told = told.replace(world.serial.lower(), "")
    return [kind for kind, text in canaries.items() if text.lower() in told]


def _unpacked(answer: Answer) -> str:
    if not isinstance(answer.body, bytes) or not answer.body.startswith(b"PK"):
        return answer.text
    with zipfile.ZipFile(BytesIO(answer.body)) as sheet:
        return "".join(sheet.read(name).decode(errors="replace") for name in sheet.namelist())


async def test_not_there_and_not_yours_are_the_same_answer(world: World) -> None:
    stranger = world.people["other_company"]
    for method, path, ask in [
        ("GET", "/sites/{}", (world.site_id, world.company_id)),
        ("GET", "/devices/{}", (world.serial, "CN0NOTTHERE")),
        ("GET", "/attachments/{}", (world.file_id, "AAAAAAAAAAAAAAAAAAAAAA")),
    ]:
        not_yours, not_there = [await world.ask(method, path.format(value), stranger) for value in ask]
        assert (not_yours.status, not_there.status) == (404, 404)
        assert _without_request_id(not_yours) == _without_request_id(not_there)


def _without_request_id(answer: Answer) -> str:
    return re.sub(r'"request_id":"\w+"', "", answer.text)

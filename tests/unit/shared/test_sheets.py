"""Excel sheets made in a process of their own: what becomes of one that nobody waits for any more."""

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import bson
import openpyxl
import pytest
from structlog.testing import capture_logs

from deploy.local.waiting import until
from services.cases.cases.domain.values import Status
from shared.child_process import WorkFailed, run_in_child_process
from shared.sheets import About, Column, write_sheet

PROGRAM = "services.cases.cases.sheet"
PLAN: dict[str, Any] = {
    "title": "Cases",
    "about_title": "About",
    "about": [["As of", "now"]],
    "rows": "Number of cases",
    "columns": [["Number", 14], ["Title", 50]],
    "zone": "Europe/Berlin",
    "statuses": {status.value: status.name for status in Status},
    "severities": {"3": "Normal"},
    "turns": dict.fromkeys(Status, "You"),
    "verdicts": {"unverified": "Not known"},
}
ROW = {
    "number": "1000000008",
    "problem": {"title": "A printer that prints nothing", "severity": 3, "own_reference": ""},
    "status": "new",
    "equipment": {"product_name": "", "product_number": None, "serial": "S1", "coverage": {"verdict": "unverified"}},
    "site_name": "",
    "company_name": "Acme",
    "submitter": {"name": "Ana"},
    "created_at": datetime(2026, 11, 22, 12, tzinfo=UTC),
    "updated_at": datetime(2026, 11, 22, 12, tzinfo=UTC),
}
ROW["equipment"]["coverage"]["until"] = None  # type: ignore[index]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, with nothing in it but what the test makes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def held(folder: Path) -> list[str]:
    """What is in the folder, and what takes room there because it is open, though it has no name any more."""
    taken = [path.name for path in folder.rglob("*")]
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            taken += [str(target) for target in [descriptor.readlink()] if target.is_relative_to(folder)]
    return taken


def children() -> list[int]:
    """The processes that this one has started and not yet said good-bye to."""
    return [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def written(rows: list[list[str]], folder: Path, **options: Any) -> BytesIO:
    """A sheet with one column of texts."""
    file = BytesIO()
    about = About("About", lambda count: [("Rows", count)])
    write_sheet(file, [Column("Title", 50)], rows, title="Cases", about=about, folder=str(folder), **options)
    return file


def first_cells(file: BytesIO) -> list[Any]:
    """Of the rows below the heading."""
    return [row[0] for row in openpyxl.load_workbook(file)["Cases"].iter_rows(min_row=2)]


def test_what_begins_like_a_formula_is_text_and_stays_text_when_it_is_edited(temporary: Path) -> None:
    formulas = [
        "=1+1",
        "+1+1",
        "+33 4 72 00 00 00",
        "-1+1",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1+1",
        "\uff1d1+1",
        "\uff20SUM(1)",
        "-",
        "=" * 40_000,
    ]
    plain = ["1+1", "a=b", "", "ana@example.com", "A - B"]
    cells = first_cells(file := written([[text] for text in formulas + plain], temporary))
    assert [cell.quotePrefix for cell in cells] == [True] * len(formulas) + [False] * len(plain)
    assert {cell.data_type for cell in cells if cell.value} == {"s"}
    assert [cell.value for cell in cells[:4]] == formulas[:4]
    styles = ZipFile(file).read("xl/styles.xml").decode()
    assert styles.count('quotePrefix="1"') == 1


@pytest.mark.parametrize(
    "text",
    [
        *("00123", "1-2", "1E5", "12/11", "3.10", "TRUE", "0x1F", "1234567890123456789", "10:30", "\u0661\u0662"),
        *("'00123", " 7", "\t7", "7 ", "#N/A", "#REF!", "#DIV/0!", "+33472000000", "=1+1", "\uff0d1"),
    ],
)
def test_every_text_is_kept_as_text_whatever_it_looks_like(temporary: Path, text: str) -> None:
    [cell] = first_cells(written([[text]], temporary))
    assert (cell.value, cell.data_type, cell.number_format) == (text, "s", "@")


def test_a_text_that_looks_like_an_escaped_letter_of_a_sheet_is_read_as_it_was_typed(temporary: Path) -> None:
    file = written([["fault_x0041_5 _x41_"]], temporary)
    assert b">fault_x005F_x0041_5 _x41_<" in ZipFile(file).read("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a" * 32_767, "a" * 32_767),
        ("a" * 32_768, "a" * 32_766 + "…"),
        ("\U0001f600" * 16_383, "\U0001f600" * 16_383),
        ("\U0001f600" * 16_384, "\U0001f600" * 16_383 + "…"),
        ("a" + "\U0001f600" * 16_384, "a" + "\U0001f600" * 16_382 + "…"),
        ("a" * 32_765 + "x\u0302" + "a" * 10, "a" * 32_765 + "…"),
    ],
)
def test_a_text_that_is_too_long_for_a_cell_is_visibly_cut_between_two_letters(
    temporary: Path, text: str, kept: str
) -> None:
    [cell] = first_cells(written([[text]], temporary))
    assert cell.value == kept


def test_rows_that_a_sheet_has_no_room_for_stand_in_another_one(temporary: Path) -> None:
    numbers = [str(number) for number in range(7)]
    book = openpyxl.load_workbook(written([[number] for number in numbers], temporary, most_rows=4))
    assert book.sheetnames == ["Cases", "Cases 2", "Cases 3", "About"]
    for name in book.sheetnames[:3]:
        assert (book[name]["A1"].value, book[name].freeze_panes) == ("Title", "A2")
    assert [
        row[0] for name in book.sheetnames[:3] for row in book[name].iter_rows(min_row=2, values_only=True)
    ] == numbers
    assert [cell.value for cell in book["About"][1]] == ["Rows", 7]


def test_a_sheet_that_is_exactly_full_is_the_only_one(temporary: Path) -> None:
    book = openpyxl.load_workbook(written([["a"], ["b"], ["c"]], temporary, most_rows=4))
    assert book.sheetnames == ["Cases", "About"]


async def test_an_export_that_is_cancelled_leaves_nothing_behind(temporary: Path) -> None:
    never, before = asyncio.Event(), children()

    async def batches() -> AsyncIterator[bytes]:
        yield bson.encode(ROW) * 1_100
        await never.wait()

    async def rows_are_written() -> bool:
        return any(name.startswith("openpyxl.") for name in held(temporary))

    export = asyncio.create_task(run_in_child_process(PROGRAM, PLAN, batches()))
    assert await until(rows_are_written, deadline_s=30, pause_s=0.01)
    [child] = set(children()) - set(before)
    assert os.getpriority(os.PRIO_PROCESS, child) > os.getpriority(os.PRIO_PROCESS, 0)
    export.cancel()
    with pytest.raises(asyncio.CancelledError):
        await export
    assert (held(temporary), children()) == ([], before)


async def test_an_export_whose_rows_cannot_be_read_leaves_nothing_behind(temporary: Path) -> None:
    async def batches() -> AsyncIterator[bytes]:
        yield bson.encode(ROW)
        raise TimeoutError

    before = children()
    with pytest.raises(TimeoutError):
        await run_in_child_process(PROGRAM, PLAN, batches())
    assert (held(temporary), children()) == ([], before)


async def test_an_export_that_breaks_in_its_process_fails_and_leaves_nothing_behind(temporary: Path) -> None:
    async def batches() -> AsyncIterator[bytes]:
        for _ in range(1_000):
            yield bson.encode({"number": "of no case that has anything else"}) * 100

    with pytest.raises(WorkFailed):
        await run_in_child_process(PROGRAM, PLAN, batches())
    assert held(temporary) == []


async def test_what_is_logged_of_it_holds_nothing_of_what_somebody_wrote(capfd: pytest.CaptureFixture[str]) -> None:
    async def batches() -> AsyncIterator[bytes]:
        yield bson.encode(ROW | {"status": "Our line\nstands still"})

    with capture_logs() as logged, pytest.raises(WorkFailed):
        await run_in_child_process(PROGRAM, PLAN, batches())
    said = str(logged) + "".join(capfd.readouterr())
    assert "ValueError" in said
    assert "stands still" not in said


async def test_a_program_whose_parent_is_gone_ends_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "of-the-program"
    folder.mkdir()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", PROGRAM, str(folder)), stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL
    )
    await process.communicate(bson.encode(PLAN) + bson.encode(ROW) * 1_100)
    assert process.returncode != 0
    assert not folder.exists()


async def test_a_whole_export_is_gone_when_it_is_closed(temporary: Path) -> None:
    async def batches() -> AsyncIterator[bytes]:
        yield bson.encode(ROW)

    with await run_in_child_process(PROGRAM, PLAN, batches()) as file:
        book = openpyxl.load_workbook(file)
        assert [cell.value for row in book["About"] for cell in row] == ["Number of cases", 1, "As of", "now"]
        assert book.active is not None
        assert [cell.value for cell in book.active[2]][:3] == ["1000000008", "A printer that prints nothing", "NEW"]
        assert not any(name.startswith(("openpyxl.", "portico-")) for name in held(temporary))
    assert held(temporary) == []

"""Excel sheets: what becomes of one that nobody waits for any more."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import openpyxl
import pytest

from deploy.local.child import until
from shared.sheets import Column, write_sheet

COLUMNS = (Column("Number", 14), Column("Title", 50))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, with nothing in it but what the test makes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def held(folder: Path) -> list[str]:
    """What is in the folder, and what takes room there because it is open, though it has no name any more."""
    taken = [path.name for path in folder.iterdir()]
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            taken += [str(target) for target in [descriptor.readlink()] if target.is_relative_to(folder)]
    return taken


async def nothing_is_held(folder: Path) -> bool:
    async def nothing() -> bool:
        return held(folder) == []

    return await until(nothing, deadline_s=10, pause_s=0.01)


async def test_an_export_that_is_cancelled_leaves_nothing_behind(temporary: Path) -> None:
    written, never = asyncio.Event(), asyncio.Event()

    async def rows() -> AsyncIterator[tuple[int, str]]:
        for number in range(1_100):
            yield number, "A printer that prints nothing"
        written.set()
        await never.wait()

    export = asyncio.create_task(write_sheet("Cases", COLUMNS, rows()))
    await written.wait()
    assert any(name.startswith("openpyxl.") for name in held(temporary))
    export.cancel()
    with pytest.raises(asyncio.CancelledError):
        await export
    assert await nothing_is_held(temporary)


async def test_an_export_whose_rows_cannot_be_read_leaves_nothing_behind(temporary: Path) -> None:
    async def rows() -> AsyncIterator[tuple[int, str]]:
        yield 1, "A printer that prints nothing"
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await write_sheet("Cases", COLUMNS, rows())
    assert await nothing_is_held(temporary)


async def test_a_whole_export_is_gone_when_it_is_closed(temporary: Path) -> None:
    async def rows() -> AsyncIterator[tuple[int, str]]:
        yield 1, "A printer that prints nothing"

    with await write_sheet("Cases", COLUMNS, rows()) as file:
        sheet = openpyxl.load_workbook(file).active
        assert sheet is not None
        assert [cell.value for cell in sheet[2]] == [1, "A printer that prints nothing"]
        assert not any(name.startswith("openpyxl.") for name in held(temporary))
    assert held(temporary) == []

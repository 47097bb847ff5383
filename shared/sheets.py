"""Excel sheets, written row by row in a thread of their own: neither memory nor the event loop feels their size."""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, BinaryIO

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Cell = str | int | date | datetime | None

_MAX_CELL = 32_767
_CHUNK_ROWS = 500
# What XML has no way to write; openpyxl forgets the last two.
_UNWRITABLE = re.compile(rf"{ILLEGAL_CHARACTERS_RE.pattern}|[\ufffe\uffff]")

# One sheet at a time in each process: the work is pure Python, more threads would only take turns.
_writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sheets")


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and the width in characters."""

    heading: str
    width: int


async def write_sheet(title: str, columns: Sequence[Column], rows: AsyncIterator[Sequence[Cell]]) -> BinaryIO:
    """A sheet with a frozen heading row and all `rows`, as a temporary file that is gone when it is closed."""
    loop = asyncio.get_running_loop()
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(title)
    file = tempfile.TemporaryFile()  # noqa: SIM115  # whoever sends it closes it
    _prepare(sheet, columns)
    chunk: list[Sequence[Cell]] = []
    try:
        async for row in rows:
            chunk.append(row)
            if len(chunk) == _CHUNK_ROWS:
                await loop.run_in_executor(_writer, _append, sheet, chunk)
                chunk = []
        await loop.run_in_executor(_writer, _append, sheet, chunk)
        await loop.run_in_executor(_writer, book.save, file)
    except BaseException:
        # In the sheets' own thread, which may be in the middle of it: that one cannot be cancelled.
        _writer.submit(_give_up, sheet, file)
        raise
    return file


def _prepare(sheet: Any, columns: Sequence[Column]) -> None:  # openpyxl names no public type
    sheet.freeze_panes = "A2"
    for number, column in enumerate(columns, start=1):
        sheet.column_dimensions[get_column_letter(number)].width = column.width
    headings = []
    for column in columns:
        cell = WriteOnlyCell(sheet, column.heading)
        cell.font = Font(bold=True)
        headings.append(cell)
    sheet.append(headings)


def _append(sheet: Any, rows: Sequence[Sequence[Cell]]) -> None:
    for row in rows:
        sheet.append([_safe(sheet, value) for value in row])


def _safe(sheet: Any, value: Cell) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if not isinstance(value, str):
        return value
    text = _UNWRITABLE.sub("", value)[:_MAX_CELL]
    if not text.startswith("="):
        return text
    # Typed as text, so that no program takes what a customer wrote for a formula.
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    return cell


def _give_up(sheet: Any, file: BinaryIO) -> None:
    """Removes the rows written so far, which openpyxl keeps in a file until it saves them or the process ends."""
    # Files that stay open keep their room. Closing writes what is left, and the disk may be full.
    with suppress(OSError):
        file.close()
    with suppress(Exception):
        sheet.close()
    with suppress(FileNotFoundError):
        sheet._writer.cleanup()  # noqa: SLF001  # there is no public way

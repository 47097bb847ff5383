"""Writes Excel sheets row by row. It is pure Python and slow: run it in a child process (`shared.child_process`)."""

import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, BinaryIO

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

Cell = str | int | date | datetime | None

_MAX_CELL = 32_767
# Characters that XML cannot hold; openpyxl forgets the last two.
_UNWRITABLE = re.compile(rf"{ILLEGAL_CHARACTERS_RE.pattern}|[\ufffe\uffff]")
# A spreadsheet program may take these for the beginning of a formula, or drop them before one; full-width ones too.
_LIKE_A_FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and the width in characters."""

    heading: str
    width: int


def write_sheet(
    file: BinaryIO, columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, title: str, note: str, folder: str
) -> None:
    """A sheet with a frozen heading row and all `rows`; `note` stands in the properties of the file.

    The rows written so far lie in `folder`, where a program that is stopped leaves them.
    """
    tempfile.tempdir = folder  # openpyxl has no option for its folder
    book = openpyxl.Workbook(write_only=True)
    book.properties.title = title
    book.properties.description = note
    sheet = book.create_sheet(title)
    _prepare(sheet, columns)
    for row in rows:
        sheet.append([_safe(sheet, value) for value in row])
    book.save(file)


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


def _safe(sheet: Any, value: Cell) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if not isinstance(value, str):
        return value
    text = _UNWRITABLE.sub("", value)[:_MAX_CELL]
    if not _LIKE_A_FORMULA.match(text):
        return text
    # Typed as text, so that no program runs a customer's text as a formula; formatted as text, so that it stays text
    # when somebody edits the cell.
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    cell.quotePrefix = True
    return cell

"""Writes Excel sheets row by row. It is pure Python and slow: run it in a child process (`shared.child_process`)."""

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, BinaryIO

import openpyxl
from openpyxl.cell import Cell as BookCell
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from shared.text import beginning

Cell = str | int | date | datetime | None

_MOST_ROWS = 1_048_576
_MAX_CELL = 32_767  # in UTF-16, as all that spreadsheet programs count
_CUT = "…"
_ABOUT_WIDTHS = (30, 60)
# Characters that XML cannot hold; openpyxl forgets the last two.
_UNWRITABLE = re.compile(rf"{ILLEGAL_CHARACTERS_RE.pattern}|[\ufffe\uffff]")
# A spreadsheet program may take these for the beginning of a formula, or drop them before one; full-width ones too.
_LIKE_A_FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
# In a sheet, `_x0041_` is a way to write A: what only looks so would be read as another text.
_LIKE_AN_ESCAPE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and the width in characters."""

    heading: str
    width: int


@dataclass(frozen=True, slots=True)
class About:
    """The last sheet, which says what the others show: lines of a label and a value, by the number of rows."""

    title: str
    lines: Callable[[int], Iterable[tuple[str, Cell]]]


def write_sheet(
    file: BinaryIO,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    *,
    title: str,
    about: About,
    folder: str,
    most_rows: int = _MOST_ROWS,
) -> None:
    """A sheet with a frozen heading row and all `rows`; where it is full, they go on in another one.

    The rows written so far lie in `folder`, where a program that is stopped leaves them.
    """
    tempfile.tempdir = folder  # openpyxl has no option for its folder
    book = openpyxl.Workbook(write_only=True)
    book.properties.title = title
    widths, headings = [column.width for column in columns], [column.heading for column in columns]
    sheet, count, room = _Sheet(book, title, widths, headings), 0, most_rows - 1
    for row in rows:
        if count and count % room == 0:
            sheet = _Sheet(book, f"{title} {count // room + 1}", widths, headings)
        sheet.write(row)
        count += 1
    last = _Sheet(book, about.title, _ABOUT_WIDTHS)
    for line in about.lines(count):
        last.write(line)
    book.save(file)


class _Sheet:
    """Each column has one cell of each kind, which is filled again in each row: to make one takes longest of all."""

    def __init__(self, book: Any, title: str, widths: Sequence[int], headings: Sequence[str] = ()) -> None:
        self._sheet = book.create_sheet(title)
        self._cells: dict[tuple[int, object], _RefilledCell] = {}
        for number, width in enumerate(widths, start=1):
            self._sheet.column_dimensions[get_column_letter(number)].width = width
        if headings:
            self._sheet.freeze_panes = "A2"
            cells = [WriteOnlyCell(self._sheet, heading) for heading in headings]
            for cell in cells:
                cell.font = Font(bold=True)
            self._sheet.append(cells)
        # Without this, openpyxl makes a cell for each value, and throws it away for the one that stands there already.
        self._sheet._values_to_row = _placed  # noqa: SLF001

    def write(self, row: Sequence[Cell]) -> None:
        self._sheet.append([self._filled(column, value) for column, value in enumerate(row)])

    def _filled(self, column: int, value: Cell) -> "_RefilledCell | None":
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            value = value.replace(tzinfo=None) if isinstance(value, datetime) else value
            return self._cell(column, type(value), value).filled(value)
        text = _cut(_UNWRITABLE.sub("", value))
        kind = "like a formula" if _LIKE_A_FORMULA.match(text) else "text"
        return self._cell(column, kind, text).filled(_LIKE_AN_ESCAPE.sub("_x005F_", text))

    def _cell(self, column: int, kind: object, value: Cell) -> "_RefilledCell":
        cell = self._cells.get((column, kind))
        if cell is None:
            cell = _RefilledCell(self._sheet, column + 1, value, is_marked=kind == "like a formula")
            self._cells[column, kind] = cell
        return cell


class _RefilledCell(BookCell):
    """A cell of one kind and style, whatever it is filled with. What openpyxl would find out each time is kept."""

    __slots__ = ("_kept_style",)
    has_style = True

    def __init__(self, sheet: Any, column: int, value: Cell, *, is_marked: bool) -> None:
        super().__init__(sheet, row=1, column=column, value=value)
        if isinstance(value, str):
            # Formatted as text, so that it stays as it is when somebody edits the cell; what looks like a formula is
            # marked as text besides. openpyxl would write "=1" as a formula, and "#N/A" as an error.
            self.number_format = "@"
            self.quotePrefix = is_marked
            self.data_type = "s"
        self._kept_style = super().style_id

    def filled(self, value: Cell) -> "_RefilledCell":
        self._value = value
        return self

    @property
    def style_id(self) -> int:
        return self._kept_style


def _placed(cells: "Iterable[_RefilledCell | None]", row: int) -> "Iterator[_RefilledCell]":
    for cell in cells:
        if cell is not None:
            cell.row = row
            yield cell


def _cut(text: str) -> str:
    """With a sign at its end where it is too long for a cell."""
    if 2 * len(text) <= _MAX_CELL or len(written := text.encode("utf-16-le")) <= 2 * _MAX_CELL:
        return text
    room = len(written[: 2 * (_MAX_CELL - len(_CUT))].decode("utf-16-le", "ignore"))
    return beginning(text, room) + _CUT

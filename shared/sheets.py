"""Tables as files, written from beginning to end: what is added comes out as bytes that can be sent at once."""

import csv
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache, partial
from io import StringIO
from typing import IO, cast
from xml.sax.saxutils import escape, quoteattr
from zipfile import ZIP_DEFLATED, ZipFile

from shared.text import beginning

# A float is a moment: milliseconds since 1970. It is shown in the zone of the table.
Cell = str | int | float | date | None

_MOST_ROWS = 1_048_576
# Far from where a part of a ZIP file needs ZIP64, which has to be said before the part is written.
_MOST_BYTES = 2**30
_MAX_CELL = 32_767  # in UTF-16, as all that spreadsheet programs count
_CUT = "…"
# So many cells of the columns that repeat theirs are kept.
_MOST_KEPT = 2048
_ABOUT_WIDTHS = (30, 60)
# Spreadsheet programs know no day before 1900, and differ about its first two months.
_FIRST_YEAR = 1901
_DAY_0 = date(1899, 12, 30).toordinal()
_DAY_OF_1970 = date(1970, 1, 1).toordinal() - _DAY_0
_DAY_MS = 86_400_000
# Characters that XML cannot hold.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# A spreadsheet program may take these for the beginning of a formula, or drop them before one; full-width ones too.
_LIKE_A_FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_MAYBE_LIKE_A_FORMULA = frozenset(" =+-@\uff1d\uff0b\uff0d\uff20")
# In a sheet, `_x0041_` is a way to write A: what only looks so would be read as another text.
_LIKE_AN_ESCAPE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
# XML makes other blanks of them where they are not escaped.
_ESCAPED = {"\r": "&#13;", "\t": "&#9;"}

# Numbers of the styles in `_STYLES`.
_HEADING, _TEXT, _MARKED_TEXT, _DATE, _MOMENT = 1, 2, 3, 4, 5
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OF_SHEETS = "application/vnd.openxmlformats-officedocument.spreadsheetml"
# Texts are formatted as text, so that they stay as they are when somebody edits the cell; what looks like a formula is
# marked as text besides.
_STYLES = f"""{_XML}<styleSheet xmlns="{_MAIN}">
<numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy-mm-dd"/>\
<numFmt numFmtId="165" formatCode="yyyy-mm-dd h:mm:ss"/></numFmts>
<fonts count="2"><font><sz val="11"/><name val="Calibri"/><family val="2"/></font>\
<font><b/><sz val="11"/><name val="Calibri"/><family val="2"/></font></fonts>
<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>
<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>
<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>
<cellXfs count="6"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>
<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>
<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>
<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" quotePrefix="1"/>
<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>
<xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>
<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>
</styleSheet>"""
_FROZEN = (
    '<sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" '
    'state="frozen"/><selection pane="bottomLeft"/></sheetView></sheetViews>'
)


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, the width in characters, and whether most cells are the same as others above them."""

    heading: str
    width: int
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """The last sheet, which says what the others show: lines of a label and a value, by the number of rows."""

    title: str
    lines: Callable[[int], Iterable[tuple[str, Cell]]]


class Table(ABC):
    """Rows on their way into a file."""

    def __init__(self, columns: Sequence[Column], write: Callable[[Cell], str]) -> None:
        """`write` makes a cell of a value."""
        kept = lru_cache(_MOST_KEPT)(write)
        self._writers = [kept if column.repeats else write for column in columns]

    def _written(self, rows: Iterable[Sequence[Cell]]) -> Iterator[tuple[str, ...]]:
        # Column by column: that takes half the time.
        columns = zip(*rows, strict=True)
        return zip(*(map(write, column) for write, column in zip(self._writers, columns, strict=False)), strict=True)

    @abstractmethod
    def add(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """Writes rows; returns what the file goes on with, which may be nothing yet."""

    @abstractmethod
    def end(self) -> bytes:
        """The end of the file."""


class CsvTable(Table):
    """A table for programs: UTF-8 with its mark, commas, CRLF (RFC 4180), dates and times as in ISO 8601."""

    def __init__(self, columns: Sequence[Column], *, zone: tzinfo = UTC) -> None:
        """The first line has the headings."""
        super().__init__(columns, partial(_in_csv, zone))
        self._lines = StringIO("\ufeff", newline="")
        self._lines.seek(0, 2)
        self._writer = csv.writer(self._lines, lineterminator="\r\n")
        self._writer.writerow([column.heading for column in columns])

    def add(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """What begins like a formula has an apostrophe before it: spreadsheet programs open such files, too."""
        self._writer.writerows(self._written(rows))
        written = self._lines.getvalue().encode()
        self._lines.seek(0)
        self._lines.truncate()
        return written

    def end(self) -> bytes:
        """The headings, where no row was added."""
        return self.add([])


class Book(Table):
    """An Excel file: sheets with a frozen heading row, each followed by another where it is full."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        title: str,
        about: About,
        zone: tzinfo = UTC,
        most_rows: int = _MOST_ROWS,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """A sheet has at most so many rows, and no further ones when it has so many bytes."""
        self._pipe = _Pipe()
        self._zip = _Zip(cast("IO[bytes]", self._pipe), "w", ZIP_DEFLATED, compresslevel=1)
        self._columns, self._title, self._about = columns, title, about
        self._most_rows, self._most_bytes = most_rows, most_bytes
        self._cell = partial(_cell, _Shifts(zone))
        super().__init__(columns, self._cell)
        self._titles: list[str] = []
        self._count = 0
        self._put("_rels/.rels", _links(("officeDocument", "xl/workbook.xml"), ("", "docProps/core.xml")))
        self._put("docProps/core.xml", _core(title))
        self._put("xl/styles.xml", _STYLES)
        self._begin_sheet()

    def add(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """Texts are texts whatever they look like; what a cell cannot hold is left out of them."""
        written: list[str] = []
        for row in self._written(rows):
            if self._number == self._most_rows or self._size >= self._most_bytes:
                self._write(written)
                self._end_sheet()
                self._begin_sheet()
            self._number += 1
            self._count += 1
            written.append(f'<row r="{self._number}">{"".join(row)}</row>')
        self._write(written)
        return self._pipe.taken()

    def end(self) -> bytes:
        """The sheet that tells about the others, and the lists of what is in the file."""
        self._end_sheet()
        self._titles.append(self._about.title)
        self._put(
            f"xl/worksheets/sheet{len(self._titles)}.xml",
            _sheet_head(_ABOUT_WIDTHS)
            + "".join(
                f'<row r="{number}">{"".join(map(self._cell, line))}</row>'
                for number, line in enumerate(self._about.lines(self._count), start=1)
            )
            + _SHEET_FOOT,
        )
        sheets = range(1, len(self._titles) + 1)
        self._put("xl/workbook.xml", _workbook(self._titles))
        links = [("worksheet", f"worksheets/sheet{n}.xml") for n in sheets]
        self._put("xl/_rels/workbook.xml.rels", _links(*links, ("styles", "styles.xml")))
        self._put("[Content_Types].xml", _content_types(sheets))
        self._zip.close()
        return self._pipe.taken()

    def _begin_sheet(self) -> None:
        number = len(self._titles) + 1
        self._titles.append(f"{self._title} {number}" if number > 1 else self._title)
        self._sheet = self._zip.open(f"xl/worksheets/sheet{number}.xml", "w")
        self._number, self._size = 1, 0
        headings = "".join(_text_cell(column.heading, _HEADING) for column in self._columns)
        self._write([_sheet_head([column.width for column in self._columns], _FROZEN), f'<row r="1">{headings}</row>'])

    def _write(self, parts: list[str]) -> None:
        written = "".join(parts).encode()
        parts.clear()
        self._size += len(written)
        self._sheet.write(written)

    def _end_sheet(self) -> None:
        self._write([_SHEET_FOOT])
        self._sheet.close()

    def _put(self, name: str, xml: str) -> None:
        with self._zip.open(name, "w") as part:
            part.write(xml.encode())


class _Shifts(dict[float, float | None]):
    """What is added to the moments of a day of UTC to have what a sheet shows of them; None where clocks change."""

    def __init__(self, zone: tzinfo) -> None:
        super().__init__()
        self._zone = zone

    def __missing__(self, day: float) -> float | None:
        first, last = self.at(day * _DAY_MS), self.at((day + 1) * _DAY_MS - 1)
        self[day] = first if first == last else None
        return self[day]

    def at(self, moment: float) -> float:
        offset = datetime.fromtimestamp(moment / 1000, self._zone).utcoffset() or timedelta()
        return _DAY_OF_1970 + offset / timedelta(days=1)


class _Zip(ZipFile):
    def __del__(self) -> None:
        """Nobody waits for the end of a file that was given up."""


class _Pipe:
    """A file that only goes on, as `ZipFile` takes it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        self._parts.append(part)
        return len(part)

    def flush(self) -> None:
        """Nothing lies anywhere else."""

    def taken(self) -> bytes:
        whole = b"".join(self._parts)
        self._parts.clear()
        return whole


def _cell(shifts: _Shifts, value: Cell) -> str:
    if value is None or value == "":
        return "<c/>"
    if isinstance(value, float):
        if (shift := shifts[value // _DAY_MS]) is None:
            shift = shifts.at(value)
        return f'<c s="{_MOMENT}"><v>{value / _DAY_MS + shift:.9f}</v></c>'
    if isinstance(value, int):
        return f"<c><v>{value}</v></c>"
    if isinstance(value, date):  # as many days as have passed
        if value.year >= _FIRST_YEAR:
            return f'<c s="{_DATE}"><v>{value.toordinal() - _DAY_0}</v></c>'
        value = str(value)
    if _is_plain(value) and "_x" not in value and 2 * len(value) <= _MAX_CELL:
        text = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return f'<c s="2" t="inlineStr"><is><t>{text}</t></is></c>'
    text = _cut(_UNWRITABLE.sub("", value))
    return _text_cell(_LIKE_AN_ESCAPE.sub("_x005F_", text), _MARKED_TEXT if _LIKE_A_FORMULA.match(text) else _TEXT)


def _text_cell(text: str, style: int) -> str:
    return f'<c s="{style}" t="inlineStr"><is><t xml:space="preserve">{escape(text, _ESCAPED)}</t></is></c>'


def _is_plain(text: str) -> bool:
    """Whether nothing has to be done to a text that is not empty. Faster than to look for what has to be done."""
    return text.isprintable() and text[0] not in _MAYBE_LIKE_A_FORMULA and text[-1] != " "


def _in_csv(zone: tzinfo, value: Cell) -> str:
    if isinstance(value, float):
        return datetime.fromtimestamp(value / 1000, zone).isoformat(timespec="seconds")
    if not isinstance(value, str):
        return "" if value is None else str(value)
    if not value or _is_plain(value):
        return value
    text = _UNWRITABLE.sub("", value)
    return f"'{text}" if _LIKE_A_FORMULA.match(text) else text


def _cut(text: str) -> str:
    """With a sign at its end where it is too long for a cell."""
    if 2 * len(text) <= _MAX_CELL or len(written := text.encode("utf-16-le")) <= 2 * _MAX_CELL:
        return text
    room = len(written[: 2 * (_MAX_CELL - len(_CUT))].decode("utf-16-le", "ignore"))
    return beginning(text, room) + _CUT


def _sheet_head(widths: Iterable[int], view: str = "") -> str:
    columns = "".join(
        f'<col min="{n}" max="{n}" width="{width}" customWidth="1"/>' for n, width in enumerate(widths, start=1)
    )
    return f'{_XML}<worksheet xmlns="{_MAIN}">{view}<cols>{columns}</cols><sheetData>'


_SHEET_FOOT = "</sheetData></worksheet>"


def _workbook(titles: Iterable[str]) -> str:
    sheets = "".join(
        f'<sheet name={quoteattr(title)} sheetId="{n}" r:id="rId{n}"/>' for n, title in enumerate(titles, start=1)
    )
    views = "<bookViews><workbookView/></bookViews>"
    return f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}">{views}<sheets>{sheets}</sheets></workbook>'


def _core(title: str) -> str:
    return (
        f'{_XML}<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{escape(title)}</dc:title></cp:coreProperties>'
    )


def _links(*links: tuple[str, str]) -> str:
    """From one part to others; the kind without a name are the core properties, whose kind stands elsewhere."""
    kinds = {"": f"{_PACKAGE}/relationships/metadata/core-properties"}
    every = "".join(
        f'<Relationship Id="rId{n}" Type="{kinds.get(kind, f"{_LINKS}/{kind}")}" Target="{target}"/>'
        for n, (kind, target) in enumerate(links, start=1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{every}</Relationships>'


def _content_types(sheets: Iterable[int]) -> str:
    kinds = {
        "/docProps/core.xml": "application/vnd.openxmlformats-package.core-properties+xml",
        "/xl/workbook.xml": f"{_OF_SHEETS}.sheet.main+xml",
        "/xl/styles.xml": f"{_OF_SHEETS}.styles+xml",
        **{f"/xl/worksheets/sheet{n}.xml": f"{_OF_SHEETS}.worksheet+xml" for n in sheets},
    }
    every = "".join(f'<Override PartName="{name}" ContentType="{kind}"/>' for name, kind in kinds.items())
    return (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{every}</Types>'
    )

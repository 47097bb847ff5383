"""Tables as files: what a spreadsheet program and a program that reads CSV find in them."""

import csv
import gc
import re
import secrets
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from io import BytesIO, StringIO
from typing import Any
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from defusedxml.ElementTree import fromstring
from openpyxl.worksheet.worksheet import Worksheet

from shared.sheets import About, Book, Cell, Column, CsvTable

COLUMNS = [Column("Title", 50), Column("Count", 8), Column("Day", 14), Column("Moment", 26)]
PARIS = ZoneInfo("Europe/Paris")
A_DAY, A_MOMENT = date(2026, 11, 22), datetime(2026, 11, 22, 13, 5, 7, tzinfo=PARIS).timestamp() * 1000


def written(rows: Iterable[Sequence[Cell]], **options: Any) -> BytesIO:
    """A book, whose rows come a few at a time."""
    about = About("About", lambda count: [("Rows", count)])
    book = Book(COLUMNS, title="Cases", about=about, zone=PARIS, **options)
    return BytesIO(b"".join(book.add([row]) for row in rows) + book.end())


def read(file: BytesIO, title: str = "Cases") -> Worksheet:
    """The sheet of that title."""
    sheet = openpyxl.load_workbook(file)[title]
    assert isinstance(sheet, Worksheet)
    return sheet


def first_cells(file: BytesIO) -> list[Any]:
    """Of the rows below the heading."""
    return [row[0] for row in read(file).iter_rows(min_row=2)]


def test_what_begins_like_a_formula_is_text_and_stays_text_when_it_is_edited() -> None:
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
    cells = first_cells(file := written([[text] for text in formulas + plain]))
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
def test_every_text_is_kept_as_text_whatever_it_looks_like(text: str) -> None:
    [cell] = first_cells(written([[text]]))
    assert (cell.value, cell.data_type, cell.number_format) == (text, "s", "@")


def test_a_text_that_looks_like_an_escaped_letter_of_a_sheet_is_read_as_it_was_typed() -> None:
    file = written([["fault_x0041_5 _x41_"]])
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
def test_a_text_that_is_too_long_for_a_cell_is_visibly_cut_between_two_letters(text: str, kept: str) -> None:
    [cell] = first_cells(written([[text]]))
    assert cell.value == kept


def test_rows_that_a_sheet_has_no_room_for_stand_in_another_one() -> None:
    numbers = [str(number) for number in range(7)]
    book = openpyxl.load_workbook(written([[number] for number in numbers], most_rows=4))
    assert book.sheetnames == ["Cases", "Cases 2", "Cases 3", "About"]
    for name in book.sheetnames[:3]:
        assert (book[name]["A1"].value, book[name].freeze_panes) == ("Title", "A2")
    assert [
        row[0] for name in book.sheetnames[:3] for row in book[name].iter_rows(min_row=2, values_only=True)
    ] == numbers
    assert [cell.value for cell in book["About"][1]] == ["Rows", 7]


def test_a_sheet_that_is_exactly_full_is_the_only_one() -> None:
    book = openpyxl.load_workbook(written([["a"], ["b"], ["c"]], most_rows=4))
    assert book.sheetnames == ["Cases", "About"]


def test_a_sheet_that_has_as_many_bytes_as_it_may_is_followed_by_another_one() -> None:
    book = openpyxl.load_workbook(written([["a" * 1_000]] * 5, most_bytes=3_500))
    assert book.sheetnames == ["Cases", "Cases 2", "About"]
    assert [book[name].max_row for name in book.sheetnames[:2]] == [4, 3]


def test_each_kind_of_value_has_a_type_and_a_format_of_its_own() -> None:
    sheet = read(written([["A4", 7, A_DAY, A_MOMENT], ["", None, None, None]]))
    seen = [(cell.value, cell.data_type, cell.number_format) for cell in sheet[2]]
    assert seen == [
        ("A4", "s", "@"),
        (7, "n", "General"),
        (datetime(2026, 11, 22), "d", "yyyy-mm-dd"),  # noqa: DTZ001  # a sheet knows no zones
        (datetime(2026, 11, 22, 13, 5, 7), "d", "yyyy-mm-dd h:mm:ss"),  # noqa: DTZ001
    ]
    assert [cell.value for cell in sheet[3]] == [None] * 4


def test_a_day_that_sheets_do_not_know_is_a_text() -> None:
    sheet = read(written([["", 0, date(1900, 12, 31)], ["", 0, date(1901, 1, 1)]]))
    assert (sheet["C2"].value, sheet["C2"].data_type) == ("1900-12-31", "s")
    assert (sheet["C3"].value, sheet["C3"].data_type) == (datetime(1901, 1, 1), "d")  # noqa: DTZ001


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_moments_are_shown_in_the_zone_of_the_table_also_on_days_when_clocks_change(zone: str) -> None:
    hours = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * n, milliseconds=999) for n in range(365 * 48)]
    moments = [hour.timestamp() * 1000 for hour in hours]
    shown = [hour.astimezone(ZoneInfo(zone)) for hour in hours]
    sheet = Book([Column("Moment", 26)], title="Cases", about=About("About", lambda _count: []), zone=ZoneInfo(zone))
    file = BytesIO(sheet.add([[moment] for moment in moments]) + sheet.end())
    cells = re.findall(rb"<v>([0-9.]+)</v>", ZipFile(file).read("xl/worksheets/sheet1.xml"))
    days = [(moment.replace(tzinfo=None) - datetime(1899, 12, 30)) / timedelta(days=1) for moment in shown]  # noqa: DTZ001
    assert [float(cell) for cell in cells] == pytest.approx(days, abs=1e-8)
    table = CsvTable([Column("Moment", 26)], zone=ZoneInfo(zone))
    lines = (table.add([[moment] for moment in moments]) + table.end()).decode().splitlines()
    assert lines[1:] == [moment.isoformat(timespec="seconds") for moment in shown]


def test_the_headings_are_bold_and_stay_in_view_and_the_columns_are_as_wide_as_told() -> None:
    sheet = read(written([["A4"]]))
    assert [(cell.value, cell.font.b) for cell in sheet[1]] == [(column.heading, True) for column in COLUMNS]
    assert not sheet["A2"].font.b
    assert sheet.freeze_panes == "A2"
    assert [sheet.column_dimensions[letter].width for letter in "ABCD"] == [50, 8, 14, 26]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Toner <b> & \"Co\" 'x' ]]>", None),
        ("\U0001f600 \U0001f1eb\U0001f1f7 \U0001f469\u200d\U0001f527", None),
        ("\u05e9\u05dc\u05d5\u05dd \u2067x\u2069", None),
        ("Imprimante\u00a0: arr\u00eat\u00e9e", None),
        ("two\nlines", None),
        ("a\tb\rc", None),
        (" both ends ", None),
        ("bell\x07 null\x00 half\ud83d none\uffff \x1b", "bell null half none "),
    ],
)
def test_every_text_of_any_language_is_read_as_it_was_typed_but_for_what_xml_cannot_hold(
    text: str, kept: str | None
) -> None:
    file = written([[text]])
    [cell] = fromstring(ZipFile(file).read("xl/worksheets/sheet1.xml")).findall(".//{*}row[@r='2']/{*}c/{*}is/{*}t")
    assert cell.text == first_cells(file)[0].value == (text if kept is None else kept)


def test_every_part_of_a_book_is_well_formed_and_listed() -> None:
    book = ZipFile(written([[str(number)] for number in range(5)], most_rows=3))
    assert book.testzip() is None
    types = fromstring(book.read("[Content_Types].xml"))
    listed = {part.get("PartName") for part in types.findall("{*}Override")}
    parts = {f"/{name}" for name in book.namelist()}
    assert listed == {part for part in parts if part.endswith(".xml")} - {"/[Content_Types].xml"}
    assert len([fromstring(book.read(name)) for name in book.namelist()]) == len(parts)


def test_a_book_comes_out_while_it_is_written_and_is_held_nowhere() -> None:
    book = Book(COLUMNS, title="Cases", about=About("About", lambda count: [("Rows", count)]))
    first = book.add([["of the first case", 1, A_DAY, A_MOMENT]])
    assert first.startswith(b"PK")
    tracemalloc.start()
    try:
        size = sum(len(book.add(_rows_of_noise(50))) for _ in range(100)) + len(book.end())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < size / 2


def _rows_of_noise(count: int) -> Iterator[Sequence[Cell]]:
    for _ in range(count):
        yield [secrets.token_hex(300), 1, A_DAY, A_MOMENT]


def test_a_book_that_is_given_up_says_nothing() -> None:
    # What a destructor complains of would fail the test.
    book = Book(COLUMNS, title="Cases", about=About("About", lambda _count: []))
    book.itself = book  # type: ignore[attr-defined]  # so that its parts are not destroyed in their order
    book.add([["half"]])
    del book
    gc.collect()


def as_csv(*rows: Sequence[Cell]) -> bytes:
    table = CsvTable(COLUMNS, zone=PARIS)
    return b"".join(table.add([row]) for row in rows) + table.end()


def test_a_csv_has_the_mark_of_utf_8_and_the_lines_and_quotes_of_rfc_4180() -> None:
    said = as_csv(['A "large" printer, upstairs', 7, A_DAY, A_MOMENT], ["two\nlines", None, None, None])
    assert said.decode() == (
        "\ufeffTitle,Count,Day,Moment\r\n"
        '"A ""large"" printer, upstairs",7,2026-11-22,2026-11-22T13:05:07+01:00\r\n'
        '"two\nlines",,,\r\n'
    )


def test_a_csv_of_no_rows_has_its_headings() -> None:
    assert as_csv().decode() == "\ufeffTitle,Count,Day,Moment\r\n"


@pytest.mark.parametrize("text", ["=1+1", "+33 4 72", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1"])
def test_what_begins_like_a_formula_has_an_apostrophe_before_it_in_a_csv(text: str) -> None:
    [_, [cell, *_others]] = csv.reader(StringIO(as_csv([text, -1]).decode(), newline=""))
    assert cell == f"'{text}"


def test_a_number_below_zero_is_no_formula() -> None:
    assert as_csv(["A4", -1]).endswith(b"A4,-1\r\n")


def test_a_text_of_a_csv_is_whole_but_for_characters_that_no_file_can_hold() -> None:
    long = "\U0001f600" * 40_000
    [_, [cell]] = csv.reader(StringIO(as_csv([f"{long}\x00\ud800 1+1"]).decode(), newline=""))
    assert cell == f"{long} 1+1"

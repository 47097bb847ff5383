"""Names of files as browsers and other programs write them: each is read, and none makes its file disappear."""

from time import thread_time

import pytest

from shared.multipart import Disposition, read_disposition, write_disposition

FILE = 'form-data; name="file"; filename='


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('"jam.png"', "jam.png"),
        ('""', ""),
        ('"Druck; Fach 2; Stau.png"', "Druck; Fach 2; Stau.png"),
        ('"R&amp;D &quot;x&quot;.pdf"', "R&amp;D &quot;x&quot;.pdf"),
        ('"&#1088;&#1055;.png"', "&#1088;&#1055;.png"),
        ('"a%22b.png"', 'a"b.png'),
        ('"a%0D%0Ab.png"', "a\r\nb.png"),
        ('"100%25 %41 %zz.png"', "100%25 %41 %zz.png"),
        ('"a\\"b.png"', 'a"b.png'),
        ('"a "b" c.png"', 'a "b" c.png'),
        ('"C:\\dir\\a.png"', "C:\\dir\\a.png"),
        ('"ends with \\"', "ends with \\"),
        ('"é 日本 🖨.png"', "é 日本 🖨.png"),
        ('"Ein\'e d=f, {x}.png"', "Ein'e d=f, {x}.png"),
        ('"; filename*=x; name=y"', "; filename*=x; name=y"),
        ("jam.png", "jam.png"),
        ("Druck; Fach 2.png", "Druck; Fach 2.png"),
        ("jam with blanks.png ;", "jam with blanks.png"),
        ('"not closed.png', '"not closed.png'),
        ("", ""),
        ("\"plain.png\"; filename*=utf-8''%E2%82%AC.png", "€.png"),
        ("\"plain.png\"; filename*=UTF-8'en'a%3Bb.png", "a;b.png"),
        ("\"plain.png\"; filename*=nonsense''%E2", "plain.png"),
        ("\"plain.png\"; filename*=utf-8''%E2", "plain.png"),
        ('"plain.png"; filename*=nothing', "plain.png"),
        ('"first.png"; filename="second.png"', "first.png"),
        ('"a.png"; size=3; Modification-Date="Sun, 29 Nov 2026"', "a.png"),
    ],
)
def test_the_name_of_a_file_is_read_as_it_was_written(written: str, name: str) -> None:
    assert read_disposition(FILE + written) == Disposition("file", name)


@pytest.mark.parametrize(
    "header",
    [
        'form-data; filename="a;b;c.png"; name="file"',
        'FORM-DATA;NAME="file";FILENAME="a;b;c.png"',
        'form-data ;  name = "file" ;\tfilename = "a;b;c.png" ; ',
        "form-data; name=file; filename=\"a;b;c.png\"; filename*=''",
        'form-data; name="file"; filename*0="a;b"; filename*1=";c.png"',
        "form-data; name=\"file\"; filename*=utf-8''a%3Bb%3Bc.png",
        'attachment; name="file"; filename="a;b;c.png"',
        'form-data; name="file"; nonsense; filename="a;b;c.png"',
        'form-data; name="file"; filename="a;b;c.png"; junk',
    ],
)
def test_order_case_blanks_and_more_parameters_change_nothing(header: str) -> None:
    assert read_disposition(header) == Disposition("file", "a;b;c.png")


@pytest.mark.parametrize(
    "header", ['form-data; name="contact.email"', "form-data; name=contact.email", ' ; name="contact.email";']
)
def test_a_part_without_a_name_of_a_file_is_a_field(header: str) -> None:
    told = read_disposition(header)
    assert told == Disposition("contact.email", None)
    assert not told.is_unclear


@pytest.mark.parametrize(
    "header", [None, "", "form-data", "form-data;;;", "nonsense", '"', "form-data; =x", "form-data; name"]
)
def test_what_nobody_can_tell_is_told_to_be_so(header: str | None) -> None:
    assert read_disposition(header).is_unclear


def test_a_name_in_the_letters_of_an_old_windows_is_read() -> None:
    header = (FILE + '"Gerät.png"').encode("cp1252").decode(errors="surrogateescape")
    assert read_disposition(header).filename == "Gerät.png"


@pytest.mark.parametrize("name", ["jam.png", "", 'a "b"; c.png', "a\r\nb.png", "C:\\x\\", "é;日本;🖨.png", "a=b, c'd"])
def test_what_is_passed_on_is_read_as_the_same(name: str) -> None:
    header = write_disposition("file", name)
    assert b"\r" not in header
    assert b"\n" not in header
    assert read_disposition(header.decode()) == Disposition("file", name)


@pytest.mark.parametrize(
    "header",
    [
        FILE + '"' + '"' * 8000,
        FILE + '"' + '\\"' * 4000,
        FILE + '"' + "\\" * 8000,
        FILE + " " * 8000 + "x",
        FILE + "a" + " " * 8000 + "b",
        FILE + '"' + '" ' * 4000,
        "form-data" + ';a="' * 2000,
        "form-data" + ";a=" * 2600,
        "form-data" + ";" * 8000,
        "form-data; " + "a" * 8000,
        "form-data" + "; a" * 2600,
        "form-data; name=x" + "; filename*0=a" * 500,
    ],
)
def test_no_header_takes_long(header: str) -> None:
    """Measured as time of the processor: ten of the longest that aiohttp lets through."""
    began = thread_time()
    for _ in range(10):
        read_disposition(header)
    assert thread_time() - began < 0.5

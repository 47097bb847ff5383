"""Which files may be attached, and under which names."""

from collections import Counter

import pytest

from services.cases.attachments.domain.file_types import KINDS
from services.cases.attachments.domain.files import Limits, Upload, clean_name, content_type_of, in_words, sort_out
from tests.service.cases.files import BMP, DOCX, GIF, JPEG, OLE, PDF, PNG, TEXT, XML, ZIP
from tests.unit.cases.producers import DISGUISED, HONEST, HTML, OTHERS

ONE_OF_EACH = {
    "jpg": JPEG,
    "jpeg": JPEG,
    "png": PNG,
    "gif": GIF,
    "bmp": BMP,
    "doc": OLE,
    "docx": DOCX,
    "pdf": PDF,
    "zip": ZIP,
    "txt": TEXT,
    "log": TEXT,
    "xml": XML,
}
# Under which other extensions a content passes as well: an archive is an archive, and text is text.
ALSO = {"jpg": {"jpeg"}, "jpeg": {"jpg"}, "docx": {"zip"}, "txt": {"log"}, "log": {"txt"}, "xml": {"txt", "log"}}


_DEFAULTS = Limits()


def codes(*files: tuple[str, bytes | None], limits: Limits = _DEFAULTS) -> list[str]:
    uploads = [Upload(index, name, content, "") for index, (name, content) in enumerate(files)]
    return [refused.code for refused in sort_out(uploads, limits)[1]]


def test_there_is_an_example_of_every_kind() -> None:
    assert set(ONE_OF_EACH) == set(KINDS) == set(Limits().extensions)


@pytest.mark.parametrize("extension", ONE_OF_EACH)
@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_extension_and_content_must_agree(extension: str, kind: str) -> None:
    fits = extension == kind or extension in ALSO.get(kind, set())
    assert codes((f"a.{extension}", ONE_OF_EACH[kind])) == ([] if fits else ["content_mismatch"])


@pytest.mark.parametrize(
    "name", ["a.html", "a.svg", "a.js", "a.exe", "a.jpg.html", "a", "", ".htaccess", "a.", "a.\uff50ng"]
)
def test_other_extensions_are_refused_and_the_accepted_ones_are_told(name: str) -> None:
    _, (refused,) = sort_out([Upload(0, clean_name(name), PNG, "")], Limits())
    assert (refused.code, refused.limit) == ("file_type", Limits().extensions)
    assert "jpg" in refused.message


def test_capital_letters_make_no_difference() -> None:
    assert codes(("SCAN.PNG", PNG), ("Log.TXT", TEXT)) == []
    assert content_type_of("SCAN.PNG") == "image/png"


@pytest.mark.parametrize(("extension", "producer", "content"), HONEST)
def test_what_real_programs_and_machines_write_is_accepted(extension: str, producer: str, content: bytes) -> None:
    assert codes((f"a.{extension}", content)) == [], producer


@pytest.mark.parametrize(("extension", "claims", "content"), DISGUISED)
def test_what_only_calls_itself_so_is_refused(extension: str, claims: str, content: bytes) -> None:
    assert codes((f"a.{extension}", content)) == ["content_mismatch"], claims


def test_each_kind_is_known_from_several_producers() -> None:
    known = Counter(extension for extension, _producer, _content in HONEST)
    assert set(known) == set(KINDS)
    assert {extension for extension, count in known.items() if count < 2} == set()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.jpg", HTML, "This is not a JPEG image, though its name ends in .jpg."),
        ("a.docx", ZIP, "This is not a Word document without macros, though its name ends in .docx."),
        ("a.zip", ZIP[:40], "This is not a whole zip archive, though its name ends in .zip."),
        (
            "a.jpg",
            PNG,
            (
                "This is not a JPEG image, though its name ends in .jpg. It is a .png file: change the ending of its "
                "name, then attach it again."
            ),
        ),
    ],
)
def test_a_refusal_says_what_was_expected_and_what_came(name: str, content: bytes, sentence: str) -> None:
    _, (refused,) = sort_out([Upload(0, name, content, "")], Limits())
    assert refused.message == sentence


@pytest.mark.parametrize(("name", "content", "found"), OTHERS)
def test_a_refusal_names_a_kind_that_is_not_accepted(name: str, content: bytes, found: str) -> None:
    _, (refused,) = sort_out([Upload(0, name, content, "")], Limits())
    assert refused.params == {"extension": name[2:], "found": found, "reason": "other_kind"}
    assert refused.message.endswith(f" It is a .{found} file, and these are not accepted.")


def test_no_ending_is_proposed_that_is_not_accepted() -> None:
    _, (refused,) = sort_out([Upload(0, "a.jpg", PNG, "")], Limits(extensions=("jpg",)))
    assert refused.message.endswith(" It is a .png file, and these are not accepted.")


def test_a_broken_list_of_parts_is_no_word_document() -> None:
    package = bytearray(DOCX)
    package[50:60] = b"\xff" * 10
    assert codes(("a.docx", bytes(package))) == ["content_mismatch"]


def test_each_rule_has_its_code_and_its_limit() -> None:
    limits = Limits(max_files=2, max_file_bytes=100, max_total_bytes=150, extensions=("txt",))
    files = [
        ("a.txt", b"a" * 90),
        ("b.txt", b"b" * 90),
        ("c.txt", None),
        ("d.txt", b""),
        ("e.png", PNG),
        ("f.txt", b"f"),
    ]
    uploads = [Upload(index, name, content, "") for index, (name, content) in enumerate([*files, ("g.txt", b"g")])]
    kept, refused = sort_out(uploads, limits)
    assert [upload.name for upload in kept] == ["a.txt", "f.txt"]
    assert [(file.index, file.name, file.code, file.limit) for file in refused] == [
        (1, "b.txt", "too_large_together", 150),
        (2, "c.txt", "too_large", 100),
        (3, "d.txt", "empty", None),
        (4, "e.png", "file_type", ("txt",)),
        (6, "g.txt", "too_many", 2),
    ]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/x.txt", "x.txt"),
        ("C:\\Users\\ana\\scan.png", "scan.png"),
        ("a\0b\r\n.png", "ab.png"),
        ("photo\u202egnp.txt", "photognp.txt"),
        ("\ufeff \u2066a\u2069.txt ", "a.txt"),
        ("e\u0301te\u0301.txt", "été.txt"),
        ("x.txt. .", "x.txt"),
        ("x.txt\u00a0", "x.txt"),
        ("x.txt\u200b", "x.txt"),
        ("\\\\server\\scans\\x.pdf", "x.pdf"),
        ("C:\\fakepath\\x.png", "x.png"),
        ("CON.txt", "CON.txt"),
        ("x.pdf.exe", "x.pdf.exe"),
        (".hidden.txt", "hidden.txt"),
        ("..", ""),
        ("n" * 5000 + ".docx", "n" * 145 + ".docx"),
        ("n" * 145 + "\U0001f44d\U0001f3fd.txt", "n" * 145 + ".txt"),
        ("n." + "x" * 5000, "n." + "x" * 148),
        ('a"b<c>.txt', 'a"b<c>.txt'),
    ],
)
def test_names_keep_nothing_that_deceives(given: str, kept: str) -> None:
    assert clean_name(given) == kept


def test_sizes_are_told_in_words() -> None:
    assert [in_words(size) for size in (2 * 2**20, 3 * 2**19, 2048, 100)] == ["2 MiB", "1.5 MiB", "2 KiB", "100 bytes"]

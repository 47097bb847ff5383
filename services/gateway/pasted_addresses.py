"""E-mail addresses as mail programs, spreadsheets and pages hand them over: `Díaz, Ana <ana@example.com>; bob@…`.

Not by `email.utils.getaddresses`: it splits a name at its comma, takes `;` for the end of a group, and drops what it
cannot read, so that nobody could be told which entry is wrong.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

from shared import text

_Kind = Literal["named", "address", "word", "comma", "cell", "end"]

# A hundred addresses with their names are far less. Repetitions are bounded too: no paste may hold the process up.
_MOST_PIECES = 5_000
_LONGEST_ENTRY = 1_000  # characters of one address with its name, or of a link with a subject
_PIECE = re.compile(
    r"""
      "(?P<quoted>(?:[^"\\]|\\.){0,100}+)"
    | \((?P<comment>[^()]{0,100}+)\)
    | <(?P<angle>[^<>]{0,300}+)>
    | \[(?P<bracket>[^][\s@]{1,200}+@[^][\s@]{1,100}+)\]
    | (?P<end>[;\n\uff1b\u061b])
    | (?P<comma>[,\uff0c\u3001\u060c])
    | (?P<word>[^\s,\uff0c\u3001\u060c;\uff1b\u061b<>"()]+|[<>"()])
    """,
    re.VERBOSE,
)
_BEFORE_ANGLE = re.compile(" {0,9}<")
_SPACED_AT = re.compile(" {0,9}@ {0,9}")
_CELL = " | "
_LABEL = re.compile(r"[^\W\d_]{1,10}:\s*")  # To: Cc: An: mailto:
_AROUND = " '`.:[]\u2018\u2019\u201a\u201c\u201d\u201e\u2039\u203a\xab\xbb"
# Of a list, as word processors and people write them: •, -, 1.
_MARK_OF_LIST = re.compile(r"[^\w@]{1,3}|\d{1,3}[.)]?")


def addresses_in(pasted: str) -> list[str]:
    """Every address once, in the order of the paste; and what is none, as it was typed, so that it is refused."""
    reader = _Reader()
    for kind, value in _pieces(pasted):
        reader.take(kind, value)
    once: dict[str, str] = {}
    for entry in reader.found:
        once.setdefault(entry.lower(), entry)
    return list(once.values())


def address_in(pasted: str) -> str:
    """The one address of a paste; anything else as it was typed, so that it is refused."""
    if len(pasted) > _LONGEST_ENTRY:
        return pasted
    found = addresses_in(pasted)
    return found[0] if len(found) == 1 and "@" in found[0] else pasted


@dataclass
class _Reader:
    """Sorts the words of a paste into names, which are dropped, and what was meant as an address."""

    found: list[str] = field(default_factory=list)
    _words: list[str] = field(default_factory=list)
    _parts: list[str] = field(default_factory=list)  # before commas: `Díaz` of `Díaz, Ana <ana@…>`, or wrong addresses
    _cells: list[str] = field(default_factory=list)  # of a table's row, beside the one with the address
    _is_in_row: bool = False
    _is_in_part: bool = False

    def take(self, kind: _Kind, value: str) -> None:
        """The next piece."""
        if kind == "word":
            self._words.append(value)
        elif kind == "named":
            self._words, self._parts, self._is_in_row = [], [], True
            self.found.append(value)
        elif kind == "address":
            if _MARK_OF_LIST.fullmatch("".join(self._words)):
                self._words = []
            self.found += [*self._parts, value]
            self._parts, self._is_in_row, self._is_in_part = [], True, True
        else:
            self._end_part(kind)

    def _end_part(self, kind: _Kind) -> None:
        if self._words:
            # A word beside a bare address is no name: `ana duarte@…` may be a slip of the keyboard.
            (self.found if self._is_in_part else self._parts).append(" ".join(self._words))
        self._words, self._is_in_part = [], False
        if kind == "cell" or (kind == "end" and self._cells):
            self._cells.append(" ".join(self._parts))
            self._parts = []
        if kind == "end":
            row = " ".join(self._cells).strip()
            self.found += self._parts + ([row] if row and not self._is_in_row else [])
            self._parts, self._cells, self._is_in_row = [], [], False


def _pieces(pasted: str) -> Iterator[tuple[_Kind, str]]:
    pasted = _SPACED_AT.sub("@", _cleaned(pasted.replace("\t", _CELL)))
    for count, piece in enumerate(_PIECE.finditer(f"{pasted}\n")):
        if count == _MOST_PIECES:
            yield "named", pasted[piece.start() :]
            return
        kind, value = piece.lastgroup, piece[piece.lastgroup or 0]
        if kind in ("end", "comma"):
            yield ("end" if kind == "end" else "comma"), ""
        elif kind in ("angle", "bracket") or (kind == "comment" and _is_address(value)):
            yield "named", _bare(value)
        elif kind == "word" and value == _CELL.strip():
            yield "cell", ""
        elif _is_address(value) and not (kind == "quoted" and _BEFORE_ANGLE.match(pasted, piece.end())):
            yield "address", _bare(value)
        elif kind != "comment" and not _LABEL.fullmatch(value):
            yield "word", value


def _is_address(value: str) -> bool:
    return "@" in value and " " not in value.strip()


def _cleaned(pasted: str) -> str:
    try:
        return text.clean_line(pasted).replace("\uff20", "@")
    except text.TooManyMarks:
        return pasted  # which is refused with the place of the letter


def _bare(written: str) -> str:
    """Without what stands around an address: `mailto:ana@example.com?subject=…`, `'ana@example.com'`."""
    label = _LABEL.match(written.strip(_AROUND))
    address = written.strip(_AROUND)[label.end() :] if label else written.strip(_AROUND)
    if label and label[0].lower().startswith("mailto"):
        address = unquote(address.partition("?")[0])
    return address.strip(_AROUND)

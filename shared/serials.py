"""One spelling for the numbers of devices, agreements and cases, however they were typed: the same in every service."""

import re
import unicodedata

from shared.text import is_dash

# What people write before a case number, and around it: "case #", "dossier n° ", "No. ", "[…]".
_AROUND_NUMBER = re.compile(r"^[\[(#:.]*(?:CASE|DOSSIER)?[#:.]*(?:N[O°R]|NUMBER|NUM[EÉ]RO)?[#:.]*|[\])#:.,;]+$")
_BLANKS = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})


def normal_serial(typed: str) -> str:
    """Upper-case, compatibility forms folded, blanks and dashes left out; empty when nothing else was typed."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", typed).upper())
    return "".join(each for each in folded if not (is_dash(each) or unicodedata.category(each) in _BLANKS))


def normal_said(typed: str) -> str:
    """Upper-case, compatibility forms folded, blanks left out; its dashes belong to it, whichever they are."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", typed).upper())
    return "".join("-" if is_dash(each) else each for each in folded if unicodedata.category(each) not in _BLANKS)


def normal_case_number(typed: str) -> str:
    """Its digits alone where it is a case number; of another text whatever is left of it."""
    return _AROUND_NUMBER.sub("", normal_serial(typed))

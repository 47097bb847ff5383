"""One spelling for serial numbers and SAIDs, however they were typed: the same in every service that looks for them."""

import unicodedata

_DASHES_AND_BLANKS = frozenset({"Pd", "Zs", "Zl", "Zp", "Cc", "Cf"})


def normal_serial(typed: str) -> str:
    """Upper-case, compatibility forms folded, blanks and dashes left out; empty when nothing else was typed."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", typed).upper())
    return "".join(each for each in folded if unicodedata.category(each) not in _DASHES_AND_BLANKS)


def normal_said(typed: str) -> str:
    """Upper-case, compatibility forms folded, blanks left out; its dashes belong to it."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", typed).upper())
    return "".join(folded.split())

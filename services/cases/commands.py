"""The operator's command: what others copy of cases is sent again."""

from collections.abc import Sequence

from services.cases.cases.store.cases import CASES
from shared import republish
from shared.republish import Kinds

COPIED: Kinds = {"cases": CASES}


def run(arguments: Sequence[str]) -> int:
    """Does what the arguments say; the exit code."""
    return republish.main("cases", COPIED, arguments)

"""Cursors of lists, as strangers may make them up."""

from base64 import urlsafe_b64encode

import pytest

from shared.errors import Invalid
from shared.paging import Order


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[1]",
        "[1, 1, 1]",
        "[100000000000000000000000000000, 1]",
        r'["\ud800", 1]',
        "[1.5, 1]",
        '[{"a": 1}, 1]',
        "[1, [1]]",
        '[{"$oid": "zz"}, 1]',
        '[{"$date": []}, 1]',
        '[{"$date": {"$numberLong": "99999999999999999"}}, 1]',
        '[{"$numberDecimal": "x"}, 1]',
        '[{"$regularExpression": {"pattern": "(", "options": ""}}, 1]',
        '[1, {"$binary": {"base64": "AAAA", "subType": "04"}}]',
        '[{"$minKey": 1}, 1]',
    ],
)
def test_a_cursor_that_is_none_of_ours_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Order("name").after(urlsafe_b64encode(text.encode()).decode())

"""Cursors of lists, as strangers may make them up."""

from base64 import urlsafe_b64encode
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from shared.errors import Invalid
from shared.paging import Order
from shared.schemas.base import ListQuery


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[1]",
        "[1, 1]",
        '["", 1, 1, 1]',
        '["elsewhere", 1, 1]',
        '["", 100000000000000000000000000000, 1]',
        r'["", "\ud800", 1]',
        '["", 1.5, 1]',
        '["", {"a": 1}, 1]',
        '["", 1, [1]]',
        '["", {"$oid": "zz"}, 1]',
        '["", {"$date": []}, 1]',
        '["", {"$date": {"$numberLong": "99999999999999999"}}, 1]',
        '["", {"$numberDecimal": "x"}, 1]',
        '["", {"$regularExpression": {"pattern": "(", "options": ""}}, 1]',
        '["", 1, {"$binary": {"base64": "AAAA", "subType": "04"}}]',
        '["", {"$minKey": 1}, 1]',
        '["", 1, null]',
    ],
)
def test_a_cursor_that_is_none_of_ours_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Order("name").after(urlsafe_b64encode(text.encode()).decode())


@pytest.mark.parametrize("title", ["紙" * 120, "\U0001f5a8" * 120, '"\\é' * 40, ""])
def test_the_cursor_behind_the_longest_title_leads_on_in_any_script(title: str) -> None:
    order, last_id, mark = Order("title"), uuid7(), "f" * 12
    cursor = order.cursor({"_id": last_id, "title": title}, of=mark)
    assert ListQuery(cursor=cursor).cursor == cursor
    assert order.after(cursor, of=mark)["$or"][1] == {"title": title, "_id": {"$gt": UUID(bytes=last_id.bytes)}}

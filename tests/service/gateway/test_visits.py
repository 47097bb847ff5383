"""That a case was seen is told beside its page."""

import asyncio

import orjson
import pytest

from deploy.local.waiting import until
from tests.service.gateway.stand_ins import Gateway, Script, Seen, hangs_up, never_answers, refuses, says
from tests.service.gateway.test_case_page import an_entry, page_of

VISIT = "PUT /cases/1000000009/visit"


async def visits(gateway: Gateway) -> list[Seen]:
    """At least one, if there is any soon."""

    async def told() -> bool:
        return bool(gateway["cases"].asked(VISIT))

    await until(told, deadline_s=3, pause_s=0.02)
    return gateway["cases"].asked(VISIT)


async def test_a_case_that_was_shown_was_seen_up_to_its_newest_entry(gateway: Gateway) -> None:
    gateway["cases"].answers(VISIT, says({}))
    older, newest = an_entry("older"), an_entry("newest", at="2026-11-23T10:00:00.123Z")
    await page_of(gateway, {"history": [older, newest]})
    (seen,) = await visits(gateway)
    assert orjson.loads(seen.body) == {"seen_until": "2026-11-23T10:00:00.123Z"}


async def test_older_entries_are_no_visit(gateway: Gateway) -> None:
    gateway["cases"].answers(VISIT, says({}))
    gateway["cases"].answers(
        "GET /cases/1000000009/history", says({"items": [an_entry("old")], "next_cursor": None, "total": 60})
    )
    await page_of(gateway, {"history": [an_entry("new")]}, query="?before=10")
    await page_of(gateway, {"history": [an_entry("new", at="2026-11-24T10:00:00Z")]})
    assert [orjson.loads(seen.body) for seen in await visits(gateway)] == [{"seen_until": "2026-11-24T10:00:00Z"}]


@pytest.mark.parametrize("script", [hangs_up, never_answers, refuses(500, "internal"), refuses(404, "not_found")])
async def test_a_page_neither_waits_for_a_visit_nor_fails_with_it(gateway: Gateway, script: Script) -> None:
    gateway["cases"].answers(VISIT, script)
    async with asyncio.timeout(3):
        await page_of(gateway, {})
    assert await visits(gateway)


async def test_a_case_has_a_star_for_whoever_sees_it(gateway: Gateway) -> None:
    for is_favourite, does in ((False, "add"), (True, "remove")):
        content = await page_of(gateway, {"favourite": is_favourite, "allowed_actions": []})
        assert f'form="stars" name="{does}" value="1000000009"' in content
        assert content.count('<form id="stars" method="post" action="/cases/favourites">') == 1

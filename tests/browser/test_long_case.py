"""A case as long as a case can become is read page by page."""

import re

from playwright.async_api import Page, expect
from uuid_utils.compat import uuid7

from deploy.local.stack import Stack
from shared.mongo import connect
from tests.browser.test_case_drafts import case
from tests.browser.test_case_form import ana, plain
from tests.builders import a_serial
from tests.e2e.portal import Visitor

__all__ = ["ana", "case", "plain"]

ENTRIES, IN_A_PAGE = 1_000, 50
MOST_BYTES = 200_000  # as HTML: what is in sight does not grow with what is not
COMMENTS = [f"Entry {place}." for place in range(1, ENTRIES)]


async def a_full_case(stack: Stack, ana: Visitor) -> str:
    """A comment copied 999 times behind the entry that the case was created by."""
    number = str((await ana.submit(serial=a_serial()))["number"])
    await ana.act(number, action="comment", text="Entry 1.")
    db = connect(stack.environment["MONGO_URL"], "cases")
    kept = await db["cases"].find_one({"number": number})
    assert kept is not None
    created, comment = kept["history"]
    history = [created, *({**comment, "id": uuid7(), "text": text} for text in COMMENTS)]
    await db["cases"].update_one({"number": number}, {"$set": {"history": history}})
    await db.close()
    return number


async def comments_of(page: Page) -> list[str]:
    texts: list[str] = await page.locator(".talk .prose").all_text_contents()
    return [text for text in texts if text.startswith("Entry ")]


async def test_a_thousand_entries_are_read_above_each_other(case: Page, stack: Stack, ana: Visitor) -> None:
    answer = await case.goto(f"{stack.base_url}/cases/{await a_full_case(stack, ana)}")
    assert answer is not None
    assert len(await answer.body()) < MOST_BYTES
    await expect(case.locator("#history > summary")).to_contain_text("1,000 entries")
    assert await comments_of(case) == COMMENTS[-IN_A_PAGE:]
    await case.locator(".fold > details > summary").click()
    earlier = case.get_by_role("link", name="Show earlier entries")
    for pages in range(2, ENTRIES // IN_A_PAGE + 1):
        await earlier.click()
        first = COMMENTS[max(0, len(COMMENTS) - pages * IN_A_PAGE)]
        await expect(case.get_by_text(first, exact=True)).to_be_attached()
    await expect(earlier).to_have_count(0)
    assert await comments_of(case) == COMMENTS
    # It takes no more of them.
    await expect(case.locator(".composer")).to_have_count(0)


async def test_a_thousand_entries_are_read_by_links_without_scripts(plain: Page, stack: Stack, ana: Visitor) -> None:
    await plain.goto(f"{stack.base_url}/cases/{await a_full_case(stack, ana)}")
    read = await comments_of(plain)
    await plain.locator(".fold > details > summary").click()
    earlier = plain.get_by_role("link", name="Show earlier entries")
    while await earlier.count():
        await earlier.click()
        read = [*await comments_of(plain), *read]
    assert read == COMMENTS
    await plain.get_by_role("link", name="Show the newest entries").click()
    await expect(plain).to_have_url(re.compile(r"/cases/\d{10}#newest$"))
    assert await comments_of(plain) == COMMENTS[-IN_A_PAGE:]

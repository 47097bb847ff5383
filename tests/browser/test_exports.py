"""A large list is exported in the background: started, watched, left, come back to, and fetched."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from playwright.async_api import Browser, Page, expect

from deploy.local.stack import Stack
from deploy.local.waiting import until
from shared.claims import ahead
from shared.mongo import Database, connect
from tests.browser.walking import Customer, a_customer, begin_session
from tests.builders import an_email
from tests.e2e.copied import copying
from tests.e2e.portal import visiting

CASES = 5_200


@pytest.fixture(scope="module")
async def customer(stack: Stack) -> AsyncIterator[Customer]:
    """With more cases than are exported at once, all of them counted."""
    async with visiting(stack, an_email()) as ana, copying(stack) as copies:
        customer = await a_customer(stack, ana)
        number = (await ana.submit(serial=customer.serial))["number"]
        await copies.add(number, times=CASES - 1)

        async def are_counted() -> bool:
            facets = (await ana.get("/cases/facets"))["status"]
            return bool(sum(facet["count"] for facet in facets) == CASES)

        assert await until(are_counted, deadline_s=60, pause_s=0.2)
        yield customer


@pytest.fixture
async def db(stack: Stack) -> AsyncIterator[Database]:
    db = connect(stack.environment["MONGO_URL"], "cases")
    yield db
    await db.close()


async def set_back(db: Database, page: Page) -> Any:
    """The newest export, as it was when half of it was made. Returns what it was."""
    link = page.get_by_role("link", name=re.compile("^Download cases-")).first
    export_id = UUID(str(await link.get_attribute("href")).split("/")[-2])
    job = await db["export_jobs"].find_one({"_id": export_id})
    half = {"state": "running", "rows": CASES // 2, "due": ahead(timedelta(hours=1))}
    await db["export_jobs"].update_one({"_id": export_id}, [{"$set": half}])
    return job


async def test_a_large_export_is_started_left_and_fetched(
    page: Page, stack: Stack, customer: Customer, db: Database
) -> None:
    await begin_session(page, stack, customer.admin.email)
    await page.goto(f"{stack.base_url}/cases?sort=title")
    await page.get_by_role("button", name="Export as CSV").click()
    await expect(page).to_have_url(f"{stack.base_url}/cases/exports")
    row = page.get_by_role("row").filter(has_text=".csv")
    # Without a reload: the script looks for it.
    await expect(row.get_by_text("Ready", exact=True)).to_be_visible(timeout=30_000)

    job = await set_back(db, page)
    await page.reload()
    bar = page.get_by_role("progressbar", name=job["format"])
    assert await bar.evaluate("(bar) => bar.value / bar.max") == 0.5
    await expect(page.get_by_text("2,600 of 5,200 cases")).to_be_visible()
    await page.goto(f"{stack.base_url}/")
    await page.goto(f"{stack.base_url}/cases")
    await page.get_by_role("link", name="My exports").click()
    await expect(bar).to_be_visible()

    await db["export_jobs"].replace_one({"_id": job["_id"]}, job)
    await expect(page.locator("#ready")).to_have_text("Your export is ready.", timeout=10_000)
    await expect(row.get_by_text("5,200 cases as of")).to_be_visible()
    await expect(page.get_by_role("link", name="Look again")).to_have_count(0)
    await page.reload()
    async with page.expect_download() as download:
        await row.get_by_role("link", name=re.compile("^Download cases-")).click()
    file = await download.value
    assert file.suggested_filename.endswith(".csv")
    assert (await _content(file)).count(b"\r\n") == CASES + 1


async def test_it_goes_without_a_script_on_a_phone(
    browser: Browser, stack: Stack, customer: Customer, db: Database
) -> None:
    async with await browser.new_context(
        java_script_enabled=False, base_url=stack.base_url, viewport={"width": 360, "height": 740}
    ) as context:
        page = await context.new_page()
        await begin_session(page, stack, customer.admin.email)
        await page.goto("/cases?status=open")
        await page.get_by_role("button", name="Export to Excel").click()
        await expect(page).to_have_url(f"{stack.base_url}/cases/exports")
        await expect(page.get_by_text("Status: All open")).to_be_visible()
        # Another test's may be beside it.
        row = page.get_by_role("row").filter(has_text="Status: All open")
        # The page comes again by itself until the file is there.
        await expect(row.get_by_text("Ready", exact=True)).to_be_visible(timeout=30_000)
        job = await set_back(db, page)
        await page.reload()
        await expect(row.get_by_role("progressbar")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        await db["export_jobs"].replace_one({"_id": job["_id"]}, job)
        await expect(row.get_by_role("link", name=re.compile("^Download"))).to_be_visible(timeout=15_000)
        async with page.expect_download() as download:
            await row.get_by_role("link", name=re.compile("^Download")).click()
        assert (await _content(await download.value)).startswith(b"PK")


async def test_who_exports_twice_at_once_is_told_and_loses_nothing(
    page: Page, stack: Stack, customer: Customer, db: Database
) -> None:
    await begin_session(page, stack, customer.admin.email)
    await page.goto(f"{stack.base_url}/cases")
    other = await page.context.new_page()
    await other.goto(f"{stack.base_url}/cases")
    user_id = UUID((await customer.admin.get("/session"))["user"]["id"])
    busy = {"_id": UUID(int=1), "busy_for": user_id}
    await db["export_jobs"].insert_one(busy)
    await other.get_by_role("button", name="Export to Excel").click()
    await expect(other.get_by_role("alert")).to_contain_text("An export of yours is still being made.")
    await db["export_jobs"].delete_one(busy)
    await other.reload()
    await expect(other.get_by_role("alert")).to_have_count(0)
    # The newest comes first; there may be others, of other tests.
    newest = other.locator("#list tbody tr").first
    await expect(newest).to_contain_text(".xlsx")
    await expect(newest.get_by_text("Ready", exact=True)).to_be_visible(timeout=30_000)


async def _content(file: Any) -> bytes:
    with open(await file.path(), "rb") as opened:  # noqa: ASYNC230, PTH123  # a few kilobytes of the browser's
        return opened.read()

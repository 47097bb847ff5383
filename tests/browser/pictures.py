"""The pictures in README, taken of the demo by `make pictures`, and beside each of them the words that it shows.

A test holds the words against the demo (`tests/e2e/test_make_run.py`). What only looks different, no test sees.
"""

import asyncio
import base64
import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urldefrag

from playwright.async_api import Browser, Page

from deploy.local import demo
from deploy.local.demo_data import TOM
from deploy.local.stack import Stack
from tests.chromium import a_chromium

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
_CASE = "Paper jam in tray 3, every second page"
# Other words every day, and at each time of the day: `time` elements, days and greetings.
_VARIES = re.compile(r"\d{1,2} [A-Z]\w{2,3} \d{4}(, \d\d:\d\d)?( \(\w+ \w+\))?|(?<=^Good )\w+")
_READ = """() => {
  for (const time of document.querySelectorAll("main time")) time.remove();
  return document.querySelector("main").innerText;
}"""


async def pages(browser: Browser, portal_url: str, password: str) -> AsyncIterator[tuple[str, Page]]:
    """Each page that README shows, under the name of its picture, as a customer of the demo sees it."""
    async with await browser.new_context(
        base_url=portal_url, viewport={"width": 1280, "height": 800}, locale="en-GB", reduced_motion="reduce"
    ) as context:
        page = await context.new_page()
        answer = await page.request.post("/api/v1/session", data={"email": TOM.email, "password": password})
        assert answer.ok, await answer.text()
        await page.goto("/")
        yield "start", page
        await page.goto("/")
        link = await page.get_by_role("link", name=_CASE).first.get_attribute("href") or ""
        # From its beginning, though what waits is opened at its newest entry.
        # A page that follows what happens is never done with the network.
        await page.goto(urldefrag(link).url)
        # A function: an expression would be compiled anew at each try, which the page's own policy forbids.
        await page.wait_for_function("() => [...document.images].every((image) => image.complete)")
        yield "case", page


async def words_of(page: Page) -> str:
    """What stands in the main part of a page, without what is another tomorrow; the page is of no use after it."""
    lines = [line.strip() for line in (await page.evaluate(_READ)).splitlines()]
    return "".join(f"{_VARIES.sub('…', line)}\n" for line in lines if line)


async def _take(stack: Stack) -> None:
    await stack.start()
    password = next(line for line in await demo.prepare(stack) if TOM.email in line).split(" / ")[1].split()[0]
    FOLDER.mkdir(exist_ok=True)
    async with a_chromium() as browser:
        async for name, page in pages(browser, stack.base_url, password):
            (FOLDER / f"{name}.webp").write_bytes(await _picture_of(page))
            (FOLDER / f"{name}.txt").write_text(await words_of(page), encoding="utf-8")


async def _picture_of(page: Page) -> bytes:
    """A third of the bytes of the PNG that Playwright would take."""
    browser = await page.context.new_cdp_session(page)
    taken = await browser.send("Page.captureScreenshot", {"format": "webp", "quality": 90})
    return base64.b64decode(taken["data"])


async def _main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder))
        try:
            await _take(stack)
        finally:
            await stack.stop()


if __name__ == "__main__":
    asyncio.run(_main())

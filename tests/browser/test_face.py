"""The pages, measured: nothing moves while it is read, and without scripts all of it is there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from deploy.local.stack import Stack
from tests.browser.walking import World, begin_session, make_world
from tests.e2e.portal import VENDOR_ADMIN

MOST_SHIFT = 0.01
# A line on which a page comes in pieces, so that what scripts change late is seen to move.
A_SLOW_LINE = {"offline": False, "latency": 40, "downloadThroughput": 100_000, "uploadThroughput": 100_000}

KEEP_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) if (!shift.hadRecentInput) shifts.push({
    value: shift.value,
    moved: shift.sources.map(({ node }) => node?.outerHTML?.slice(0, 80) ?? node?.textContent?.trim() ?? ""),
  });
}).observe({ type: "layout-shift", buffered: true });
"""
# A frame is drawn, and what was seen in it is told before the next.
TELL_SHIFTS = """() => new Promise((tell) =>
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => tell(shifts)))))"""

# Shown by scripts only, and no page needs them: copy a number, fold all sections, see the password, discard a draft,
# keys of a list, how many cases are in a queue that is not open.
COMFORTS = (
    "[data-copy], [data-sections], [data-reveals], [data-draft-notice], [data-draft-state], [data-keys], [data-queue]"
)
# What a page is for: its heading, its links, and what its forms send; and which of it can be seen.
INVENTORY = """(comforts) => {
  const all = (selector) => [...document.querySelectorAll(selector)].filter((it) => !it.closest(comforts));
  const textOf = (it) => {
    const copy = it.cloneNode(true);
    for (const comfort of copy.querySelectorAll(comforts)) comfort.remove();
    return copy.textContent.trim();
  };
  const named = (it) => [it.tagName, it.getAttribute("href") ?? it.name, textOf(it)].join(":");
  return {
    heading: [document.querySelector("h1").textContent.trim()],
    link: all("a[href]").map((link) => link.getAttribute("href")),
    field: all("form").flatMap((form) => [...form.elements].filter((field) => field.name)
      .map((field) => [form.method, form.getAttribute("action"), field.name].join(" "))),
    seen: all("a[href], button, summary, input:not([type=hidden]), select, textarea")
      .filter((it) => it.checkVisibility({ visibilityProperty: true })).map(named),
    hidden: all("[hidden]:not(svg)").filter((it) => it.textContent.trim()).map((it) => it.outerHTML.slice(0, 120)),
  };
}"""


@pytest.fixture(scope="module")
async def world(stack: Stack) -> World:
    return await make_world(stack)


@asynccontextmanager
async def a_page(
    browser: Browser, stack: Stack, email: str = "", *, width: int = 1440, height: int = 900, scripts: bool = True
) -> AsyncIterator[Page]:
    """A page of whoever has that address, or of a stranger."""
    async with await browser.new_context(
        viewport={"width": width, "height": height},
        locale="en-GB",
        base_url=stack.base_url,
        java_script_enabled=scripts,
        reduced_motion="reduce",
    ) as context:
        context.set_default_timeout(30_000)
        page = await context.new_page()
        if email:
            await begin_session(page, stack, email)
        yield page


def pages_by_reader(world: World) -> dict[str, dict[str, str]]:
    """Every page, under the address of who reads it; a stranger has none."""
    return {"": world.public_pages, world.admin_email: world.pages, VENDOR_ADMIN: world.vendors_pages}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("width", [360, 1440])
async def test_nothing_moves_while_a_page_is_read(stack: Stack, world: World, browser: Browser, width: int) -> None:
    moved: dict[str, Any] = {}
    for reader, paths in pages_by_reader(world).items():
        async with a_page(browser, stack, reader, width=width, height=800) as page:
            await page.add_init_script(KEEP_SHIFTS)
            network = await page.context.new_cdp_session(page)
            await network.send("Network.enable")
            await network.send("Network.setCacheDisabled", {"cacheDisabled": True})
            await network.send("Network.emulateNetworkConditions", A_SLOW_LINE)
            for name, path in paths.items():
                await page.goto(path, wait_until="load")
                shifts = await page.evaluate(TELL_SHIFTS)
                if sum(shift["value"] for shift in shifts) > MOST_SHIFT:
                    moved[name] = shifts
    assert moved == {}


@pytest.mark.timeout(300)
async def test_every_page_is_whole_without_scripts(stack: Stack, world: World, browser: Browser) -> None:
    missing: dict[str, list[str]] = {}
    for reader, paths in pages_by_reader(world).items():
        async with (
            a_page(browser, stack, reader) as lively,
            a_page(browser, stack, reader, scripts=False) as plain,
        ):
            for name, path in paths.items():
                await lively.goto(path, wait_until="load")
                await plain.goto(path, wait_until="load")
                with_scripts = await lively.evaluate(INVENTORY, COMFORTS)
                if lost := lost_without_scripts(with_scripts, await plain.evaluate(INVENTORY, COMFORTS)):
                    missing[name] = lost
    assert missing == {}


def lost_without_scripts(with_scripts: dict[str, list[str]], without: dict[str, list[str]]) -> list[str]:
    """What only scripts bring, by its kind, and what waits for one to be shown."""
    kinds = ("heading", "link", "field", "seen")
    lost = [f"{kind} {it}" for kind in kinds for it in sorted(set(with_scripts[kind]) - set(without[kind]))]
    return lost + [f"hidden {it}" for it in without["hidden"]]


@pytest.mark.parametrize("path", ["/", "/cases"])
async def test_the_first_thing_to_do_is_under_the_thumb(
    stack: Stack, world: World, browser: Browser, path: str
) -> None:
    async with a_page(browser, stack, world.admin_email, width=360, height=740) as page:
        await page.goto(path)
        create = page.locator(".thumb-bar :is(a, button)", has_text="Create a case")
        for place in (0, 100_000):
            await page.evaluate("place => scrollTo(0, place)", place)
            box = await create.bounding_box()
            assert box is not None
            # As large as a finger, within its reach, and nothing lies over it.
            assert box["height"] >= 44
            assert 740 - 120 < box["y"] <= 740 - box["height"]
            await create.click(trial=True)


async def test_in_forced_colours_the_chosen_filter_still_stands_out(
    stack: Stack, world: World, browser: Browser
) -> None:
    async with a_page(browser, stack, world.admin_email) as page:
        await page.emulate_media(forced_colors="active")
        await page.goto("/cases")
        ground = "filter => getComputedStyle(filter).backgroundColor"
        chosen = await page.locator(".filter[aria-current]").first.evaluate(ground)
        assert chosen != await page.locator(".filter:not([aria-current])").first.evaluate(ground)

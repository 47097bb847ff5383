"""What the pages cost and show, measured: bytes on the line, shifts, and all of it without scripts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from deploy.local.stack import Stack
from tests.browser.walking import World, begin_session, make_world
from tests.e2e.portal import VENDOR_ADMIN

FIRST_PAGE_BYTES = 20_000
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

# Shown by scripts only, and no page needs them: to copy a number, to see the password, to say that a draft was kept.
COMFORTS = "[data-copy], [data-reveals], [data-draft-notice], [data-draft-notice] *, [data-draft-state]"
# What a page is for: its heading, its links, and its forms by what they send; and which of it can be seen.
INVENTORY = """(comforts) => {
  const all = (selector) => [...document.querySelectorAll(selector)].filter((it) => !it.matches(comforts));
  const named = (it) => [it.tagName, it.getAttribute("href") ?? it.name, it.textContent.trim()].join(":");
  return {
    heading: document.querySelector("h1").textContent.trim(),
    links: all("a[href]").map((link) => link.getAttribute("href")),
    forms: all("form").map((form) => [form.method, form.getAttribute("action"),
      ...new Set([...form.elements].map((field) => field.name).filter(Boolean))].join(" ")),
    seen: all("a[href], button, summary, input:not([type=hidden]), select, textarea")
      .filter((it) => it.checkVisibility({ visibilityProperty: true })).map(named),
    unseen: all("[hidden]:not(svg)").filter((it) => it.textContent.trim()).map((it) => it.outerHTML.slice(0, 120)),
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
    for_the_vendor = {"start": "/", "cases": "/cases", "case": f"/cases/{world.number}", "profile": "/profile"}
    return {"": world.public_pages, world.admin_email: world.pages, VENDOR_ADMIN: for_the_vendor}


async def bytes_of(page: Page, path: str) -> int:
    """What comes over the network, headers included, to a browser with nothing in its cache."""
    received: list[int] = []
    network = await page.context.new_cdp_session(page)
    network.on("Network.loadingFinished", lambda loaded: received.append(loaded["encodedDataLength"]))
    await network.send("Network.enable")
    await network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await page.goto(path, wait_until="networkidle")
    await network.detach()
    # The page, its stylesheet, the brand's colours, the shell's script.
    assert len(received) >= 4
    return sum(received)


async def test_the_first_page_is_small_on_the_line(stack: Stack, browser: Browser) -> None:
    async with a_page(browser, stack) as page:
        assert await bytes_of(page, "/") <= FIRST_PAGE_BYTES


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
                    moved[f"{reader} {name}"] = shifts
    assert moved == {}


@pytest.mark.timeout(300)
async def test_every_page_is_whole_without_scripts(stack: Stack, world: World, browser: Browser) -> None:
    trouble: list[str] = []
    for reader, paths in pages_by_reader(world).items():
        async with (
            a_page(browser, stack, reader) as lively,
            a_page(browser, stack, reader, scripts=False) as plain,
        ):
            for name, path in paths.items():
                await lively.goto(path, wait_until="load")
                await plain.goto(path, wait_until="load")
                with_scripts = await lively.evaluate(INVENTORY, COMFORTS)
                without = await plain.evaluate(INVENTORY, COMFORTS)
                trouble += [f"{name}: {what}" for what in missing_without_scripts(with_scripts, without)]
    assert trouble == []


def missing_without_scripts(with_scripts: dict[str, Any], without: dict[str, Any]) -> list[str]:
    found = [
        f"{kind} differ: {set(with_scripts[kind]) ^ set(without[kind])}"
        for kind in ("links", "forms")
        if set(with_scripts[kind]) != set(without[kind])
    ]
    if with_scripts["heading"] != without["heading"]:
        found.append(f"heading: {with_scripts['heading']!r}, {without['heading']!r}")
    found += [f"only scripts show {it}" for it in set(with_scripts["seen"]) - set(without["seen"])]
    return found + [f"hidden: {it}" for it in without["unseen"]]

"""Every page, in both languages, light and dark, narrow and wide: accessible, quiet, small, and only from here."""

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, CDPSession, ConsoleMessage, Page, Request, Response

from deploy.local.stack import Stack
from deploy.local.waiting import until
from services.gateway.pages import add_pages
from services.gateway.pages.queue import _ROWS
from tests.browser.walking import NOBODYS_NUMBER, World, begin_session, end_session, make_world, sign_in
from tests.e2e.portal import PASSWORD, VENDOR_ADMIN, visiting

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = Axe()
# Experimental in axe, and WCAG 2.5.3 all the same: whoever speaks to the browser says the words that they see.
LABEL_IN_NAME = "label-content-name-mismatch"
RULES = {
    "runOnly": {"type": "tag", "values": WCAG},
    "rules": {LABEL_IN_NAME: {"enabled": True}},
    "resultTypes": ["violations"],
}
FIRST_PAGE_BYTES, FORM_BYTES = 20_000, 25_500
FORMS = {"new-form", "sign-in-for-a-device", "profile", "profile-notices", "do-contact", "do-place", "do-callback"}
# Lists stay up to date while they are looked at; the script for it is 5,300 bytes. /components shows all there is.
LIST_BYTES = 22_000
LISTS = {
    "components",
    "cases",
    "cases-empty",
    "cases-by-site",
    "cases-found",
    "cases-filtered-wrongly",
    "cases-number-mistyped",
    "sign-in-not-kept",
}
# Cases do, too; and these grow with what is written in them, and the other tests of this file write.
CASE_BYTES = 33_000
CASES = {"case", "case-closed"}
# A list and a case on one page.
QUEUE_BYTES = 38_500
QUEUES = {"vendor-queue", "vendor-queue-case"}
# No pages: these addresses lead elsewhere, or to a file.
ELSEWHERE = {
    *("/find", "/language", "/sign-out", "/switch-company", "/profile/notices", "/cases/columns", "/cases/favourites"),
    *("/cases/{number}/answer", "/cases/{number}/take"),
    *(
        "/static/{name}",
        "/favicon.ico",
        "/cases.csv",
        "/cases.xlsx",
        "/cases/{number}/files/{id}",
        "/cases/exports/{id}/file",
    ),
}
# Words of states that stand on two lines.
BROKEN_CHIPS = """() => [...document.querySelectorAll(".chip")].flatMap((chip) => {
  const text = [...chip.childNodes].find((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  return !text ? [] : [...text.data.matchAll(/\\S+/g)].filter((word) => {
    const range = document.createRange();
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    return range.getClientRects().length > 1;
  }).map((word) => word[0]);
})"""


@pytest.fixture(scope="module")
async def world(stack: Stack) -> World:
    return await make_world(stack)


def test_no_page_is_left_out() -> None:
    app = web.Application()
    add_pages(app)
    there = {route.resource.canonical for route in app.router.routes() if route.resource and route.method == "GET"}
    world = World("ana@example.com", "SN1", NOBODYS_NUMBER, NOBODYS_NUMBER, "code", "token")
    seen = {urlsplit(path).path for path in (world.public_pages | world.pages | world.vendors_pages).values()}
    left_out = {page for page in there if not any(re.fullmatch(re.sub(r"{\w+}", "[^/]+", page), path) for path in seen)}
    assert left_out == ELSEWHERE


@asynccontextmanager
async def a_browser(browser: Browser, *, width: int, scheme: str, language: str) -> AsyncIterator[BrowserContext]:
    async with await browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
        locale={"en": "en-GB", "fr": "fr-FR"}[language],
        reduced_motion="reduce",
    ) as context:
        context.set_default_timeout(30_000)
        yield context


async def in_language(page: Page, stack: Stack, language: str) -> None:
    """The user's own language counts; this changes it as the user would, by the button at the top."""
    await page.goto(f"{stack.base_url}/help")
    if await page.locator("html").get_attribute("lang") != language:
        await page.locator(f"button[name=to][value={language}]").click()
        await page.wait_for_selector(f"html[lang={language}]")


@pytest.mark.timeout(600)
# Each page is seen in both languages, widths and schemes; French is the longer one, so it is the one on the phone.
@pytest.mark.parametrize(("language", "width", "scheme"), [("fr", 360, "light"), ("en", 1440, "dark")])
async def test_no_page_violates_wcag_or_says_anything_in_the_console(
    stack: Stack, world: World, browser: Browser, *, language: str, width: int, scheme: str
) -> None:
    trouble: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # A browser logs that a page was answered with 401, 404 or 422, or shows a date that is none: that is what the
        # page is about.
        if message.type in {"error", "warning"} and not re.search(
            "status of 4(0[1349]|22)|does not conform to the required format", message.text
        ):
            trouble.append(f"console: {message.text}")

    def note_request(request: Request) -> None:
        if not request.url.startswith((stack.base_url, "data:", "blob:")):
            trouble.append(f"elsewhere: {request.url}")

    async with a_browser(browser, width=width, scheme=scheme, language=language) as context:
        page = await context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: trouble.append(f"script: {error}"))
        page.on("request", note_request)
        for name, path in world.public_pages.items():
            trouble += await _look(page, stack, name, path, language)
        trouble += await _look_at_what_is_refused(page, stack, "/sign-in", language)
        await sign_in(page, stack, world.admin_email)
        await in_language(page, stack, language)
        for name, path in world.pages.items():
            trouble += await _look(page, stack, name, path, language)
        for path in ("/users#invite", "/sites#add"):
            trouble += await _look_at_what_is_refused(page, stack, path, language)
        trouble += await _look_at_the_review(page, stack, language)
        trouble += await _look_at_what_is_kept(page, stack, world, language)
        await page.context.clear_cookies()
        await sign_in(page, stack, VENDOR_ADMIN)
        try:
            await in_language(page, stack, language)
            for name, path in world.vendors_pages.items():
                trouble += await _look(page, stack, name, path, language)
        finally:
            # Whom the vendor invites, in other tests too, gets the language of who invites.
            await in_language(page, stack, "en")
    assert trouble == []


async def _look(page: Page, stack: Stack, name: str, path: str, language: str) -> list[str]:
    await page.goto(f"{stack.base_url}{path}")
    return await _trouble_on(page, name, language)


async def _look_at_what_is_refused(page: Page, stack: Stack, path: str, language: str) -> list[str]:
    """Of a form that was sent empty."""
    await page.goto(f"{stack.base_url}{path}")
    await page.locator("main form button.primary:visible").first.click()
    await page.wait_for_selector("#errors")
    return await _trouble_on(page, f"{path}-refused", language)


async def _look_at_the_review(page: Page, stack: Stack, language: str) -> list[str]:
    await page.goto(f"{stack.base_url}/profile")
    await page.locator("form[action='/profile'] button.primary").click()
    await page.wait_for_selector("button[name=step][value=save]")
    return await _trouble_on(page, "profile-review", language)


async def _look_at_what_is_kept(page: Page, stack: Stack, world: World, language: str) -> list[str]:
    """Of a comment that was sent after the session had ended."""
    await page.goto(f"{stack.base_url}/cases/{world.number}")
    await page.locator("#comment-text").fill("It jams on every second page.")
    await page.context.clear_cookies()
    await page.locator(".composer button.primary").click()
    await page.wait_for_selector("input[name=password]")
    trouble = await _trouble_on(page, "session-ended", language)
    await page.locator("input[name=email]").fill(world.admin_email)
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.locator("main form button.primary").click()
    await page.wait_for_selector("main dd")
    return trouble + await _trouble_on(page, "kept", language)


async def _trouble_on(page: Page, name: str, language: str) -> list[str]:
    trouble = []
    if (said := await page.locator("html").get_attribute("lang")) != language:
        trouble.append(f"{name}: speaks {said}")
    if await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        trouble.append(f"{name}: wider than the screen")
    if broken := await page.evaluate(BROKEN_CHIPS):
        trouble.append(f"{name}: words broken in the middle: {broken}")
    await page.evaluate(f"{AXE.axe_script};0")
    # Not `AXE.run`, which brings all that is no violation as well, for seconds.
    for violation in await page.evaluate("rules => axe.run(rules).then(found => found.violations)", RULES):
        nodes = [node["html"][:120] for node in violation["nodes"][:3]]
        trouble.append(f"{name}: {violation['id']} ({violation['help']}): {nodes}")
    return trouble


@pytest.mark.timeout(300)
async def test_every_first_page_is_small(stack: Stack, world: World, browser: Browser) -> None:
    sizes: dict[str, float] = {}
    # In French they are longer.
    async with a_browser(browser, width=1440, scheme="light", language="fr") as context:
        page = await context.new_page()
        await begin_session(page, stack, world.admin_email)
        await in_language(page, stack, "fr")
        network = await context.new_cdp_session(page)
        await network.send("Network.enable")
        await network.send("Network.setCacheDisabled", {"cacheDisabled": True})
        for name, path in (world.public_pages | world.pages).items():
            sizes[name] = await _bytes_of(page, network, f"{stack.base_url}{path}")
        company = await _fill_the_queue(stack, world)
        await begin_session(page, stack, VENDOR_ADMIN)
        for name in QUEUES:
            # Whatever cases other tests have left.
            path = f"{world.vendors_pages[name]}&company_id={company}"
            sizes[name] = await _bytes_of(page, network, f"{stack.base_url}{path}")
        await end_session(page, stack)
    assert {name: size for name, size in sizes.items() if size > _most_bytes(name)} == {}


async def _fill_the_queue(stack: Stack, world: World) -> str:
    """Until it shows as many cases of the company as it ever does; the company's id."""
    async with visiting(stack, world.admin_email) as ana:
        await ana.sign_in()
        for place in range(_ROWS):
            case = await ana.submit(
                serial=world.serial, title=f"Paper jam in tray {place}, since {secrets.token_hex(4)}"
            )
    return str(case["company_id"])


def _most_bytes(name: str) -> int:
    """A page where much is written has scripts for it: drafts, files."""
    if name in CASES:
        return CASE_BYTES
    if name in QUEUES:
        return QUEUE_BYTES
    if name in LISTS:
        return LIST_BYTES
    return FORM_BYTES if name in FORMS else FIRST_PAGE_BYTES


async def _bytes_of(page: Page, network: CDPSession, url: str) -> float:
    """What goes over the line to a browser with nothing in its cache, for one page."""
    answers: list[Response] = []
    lengths: list[float] = []

    def note(answer: Response) -> None:
        # A stream of live updates does not end.
        if urlsplit(answer.url).path != "/api/v1/events":
            answers.append(answer)

    def note_length(event: dict[str, float]) -> None:
        lengths.append(event["encodedDataLength"])

    page.on("response", note)
    network.on("Network.loadingFinished", note_length)
    await page.goto("about:blank")  # else only the fragment of the address may be another
    await page.goto(url, wait_until="load")

    async def all_came() -> bool:
        return len(lengths) >= sum(not 300 <= answer.status < 400 for answer in answers)

    assert await until(all_came, deadline_s=60)
    page.remove_listener("response", note)
    network.remove_listener("Network.loadingFinished", note_length)
    assert {"document", "stylesheet", "script"} <= {answer.request.resource_type for answer in answers}
    return sum(lengths)

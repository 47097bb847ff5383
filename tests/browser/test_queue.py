"""The agents' workspace: a morning by keys alone, two agents at one case, what customers never read, and a phone."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Page, Route, expect

from deploy.local.stack import Stack
from tests.browser.test_case_form import ana
from tests.browser.test_every_page import in_language
from tests.browser.walking import begin_session, end_session
from tests.builders import a_serial, an_email
from tests.e2e.portal import PASSWORD, VENDOR_ADMIN, Visitor, mails_to, visiting

__all__ = ["ana"]

TITLES = ("First: no paper", "Second: no toner", "Third: no power")
TEXT = "#answer-text"
SECRET = "canary-of-the-depot"


@dataclass(frozen=True)
class Morning:
    """Three new cases of a company that no other test knows, oldest first."""

    ana: Visitor
    address: str
    numbers: tuple[str, ...]

    def at(self, place: int) -> str:
        """The queue with one of its cases open."""
        return f"{self.address}&case={self.numbers[place]}"


@pytest.fixture
async def morning(stack: Stack, ana: Visitor) -> Morning:
    # The company's other cases, of other tests, are left out by a word.
    word = f"w{secrets.token_hex(6)}"
    cases = [
        await ana.submit(serial=a_serial(), title=title, pin="4711", description=f"It stopped this morning: {word}.")
        for title in TITLES
    ]
    address = f"{stack.base_url}/queue?queue=unassigned&company_id={cases[0]['company_id']}&q={word}"
    return Morning(ana, address, tuple(str(case["number"]) for case in cases))


@pytest.fixture
async def agent(page: Page, stack: Stack) -> AsyncIterator[Page]:
    """Somebody of the vendor's, at the queue."""
    await begin_session(page, stack, VENDOR_ADMIN)
    yield page
    await end_session(page, stack)


async def expect_open(page: Page, title: str) -> None:
    await expect(page.locator("#case #title")).to_have_text(title)
    await expect(page.locator("#case #title")).to_be_focused()
    await expect(page.locator(".queue a[aria-current]")).to_contain_text(title)


async def go(page: Page, morning: Morning, place: int) -> None:
    await page.goto(morning.at(place))
    await expect(page.locator("#case #title")).to_have_text(TITLES[place])
    # The last of the scripts has come, so all have.
    await expect(page.locator("[data-keys]")).to_be_visible()


@pytest.mark.timeout(120)
async def test_a_morning_is_worked_by_keys_alone(agent: Page, morning: Morning) -> None:
    await go(agent, morning, 0)
    await agent.keyboard.press("j")
    await expect_open(agent, TITLES[1])
    await agent.keyboard.press("j")
    await expect_open(agent, TITLES[2])
    await expect(agent).to_have_url(re.compile(morning.numbers[2]))
    await agent.keyboard.press("k")
    await expect_open(agent, TITLES[1])
    await agent.go_back()
    await expect_open(agent, TITLES[2])
    await agent.go_forward()
    await expect_open(agent, TITLES[1])
    await agent.keyboard.press("t")
    # In the part that stays in sight.
    await expect(agent.locator(".work-head").get_by_role("status")).to_have_text("You have taken the case.")
    await agent.keyboard.press("n")
    await expect(agent.locator(TEXT)).to_be_focused()
    await agent.keyboard.type("jkrnat? only for us")
    await expect(agent.get_by_role("button", name="Save note")).to_be_visible()
    await expect(agent.get_by_role("button", name="Send reply")).to_be_hidden()
    await agent.keyboard.press("Control+Enter")
    await expect(agent.get_by_role("status").filter(has_text="Your note is saved.")).to_be_visible()
    await expect(agent.locator("#newest.note")).to_contain_text("jkrnat? only for us")
    await agent.keyboard.press("r")
    await expect(agent.locator(TEXT)).to_be_focused()
    await agent.keyboard.type("Which tray?")
    await agent.keyboard.press("Escape")
    await expect(agent.locator("#title")).to_be_focused()
    await agent.keyboard.press("r")
    await expect(agent.locator(TEXT)).to_have_value("Which tray?")
    await expect(agent.locator(TEXT)).to_be_focused()
    await expect(agent.get_by_role("button", name="Send reply")).to_be_visible()
    await agent.keyboard.press("Control+Enter")
    await expect(agent.get_by_role("status").filter(has_text="Your reply is sent.")).to_be_visible()
    case = await morning.ana.get(f"/cases/{morning.numbers[1]}")
    assert (case["status"], case["history"][-1]["text"]) == ("waiting_customer", "Which tray?")
    await agent.locator("#title").focus()
    await agent.keyboard.press("/")
    await expect(agent.locator("#search")).to_be_focused()
    await agent.locator("#title").focus()
    await agent.keyboard.press("?")
    await expect(agent.locator("#keys")).to_be_visible()
    await agent.get_by_label("Use these shortcuts").uncheck()
    await agent.keyboard.press("Escape")
    await agent.locator("#title").focus()
    await agent.keyboard.press("n")
    await expect(agent.get_by_role("button", name="Save note")).to_be_hidden()


async def test_keys_that_are_faster_than_the_cases_lead_on(agent: Page, morning: Morning) -> None:
    await go(agent, morning, 0)
    # As on a slow line: the case after comes before the one that was asked for first.
    await agent.route(re.compile(morning.numbers[1]), slowly)
    await agent.keyboard.press("j")
    await agent.keyboard.press("j")
    await expect_open(agent, TITLES[2])


async def slowly(route: Route) -> None:
    await asyncio.sleep(1)
    await route.continue_()


@pytest.mark.timeout(120)
async def test_of_two_agents_who_take_a_case_the_second_is_told_who_has_it(
    agent: Page, browser: Browser, stack: Stack, morning: Morning
) -> None:
    other = an_email("other-agent")
    words = ("identity", "create-vendor-admin", "--email", other)
    code, said = await stack.run_service_command(*words, stdin=f"{PASSWORD}\n")
    assert code == 0, said
    async with await browser.new_context(locale="en-GB") as context, visiting(stack, VENDOR_ADMIN) as vera:
        second = await context.new_page()
        # Else the button would be gone a moment after the first agent pressed it.
        await second.route("**/api/v1/events*", lambda route: route.abort())
        await begin_session(second, stack, other)
        for page in (agent, second):
            await go(page, morning, 0)
        await agent.get_by_role("button", name="Take the case").click()
        await expect(agent.get_by_text("You have taken the case.")).to_be_visible()
        await vera.sign_in()
        name = (await vera.get("/session"))["user"]["name"]
        await second.get_by_role("button", name="Take the case").click()
        alert = second.get_by_role("alert")
        await expect(alert).to_contain_text(f"{name} has taken this case in the meantime.")
        await expect(alert).to_be_focused()
        await expect(second.locator(".work-head")).to_contain_text(name)
        await end_session(second, stack)


@pytest.mark.timeout(120)
async def test_a_note_stays_a_note_over_a_reload_and_never_reaches_the_customer(
    agent: Page, browser: Browser, stack: Stack, morning: Morning
) -> None:
    await go(agent, morning, 0)
    await agent.get_by_text("Note, only for support").click()
    await agent.locator(TEXT).fill(f"Ask the depot: {SECRET}.")
    await agent.wait_for_function("text => Object.values(localStorage).some(value => value.includes(text))", arg=SECRET)
    await agent.reload()
    await expect(agent.locator("[data-keys]")).to_be_visible()
    await expect(agent.locator(TEXT)).to_have_value(f"Ask the depot: {SECRET}.")
    await agent.get_by_role("button", name="Save note").click()
    await expect(agent.get_by_text("Your note is saved.")).to_be_visible()
    await expect(agent.locator("#newest.note")).to_contain_text(SECRET)
    number = morning.numbers[0]
    for path in (f"/cases/{number}", f"/cases/{number}/history", "/cases", "/cases.csv", f"/cases?q={SECRET}"):
        answer = await morning.ana.call("GET", path)
        assert answer.status == 200
        assert SECRET not in str(answer.body).replace(f"q={SECRET}", "")
    assert await mails_to(stack, morning.ana.email, about=SECRET) == []
    async with await browser.new_context(locale="en-GB") as context:
        page = await context.new_page()
        await begin_session(page, stack, morning.ana.email)
        await page.goto(f"{stack.base_url}/cases/{number}")
        await expect(page.locator("h1")).to_have_text(TITLES[0])
        assert SECRET not in await page.content()
        await expect(page.locator("[name=kind]")).to_have_count(0)
        await end_session(page, stack)


async def test_a_case_is_closed_by_its_answer(agent: Page, morning: Morning) -> None:
    await go(agent, morning, 0)
    await agent.locator(TEXT).fill("Replaced the roller.")
    await agent.get_by_label("and then").select_option(label="Close the case")
    await expect(agent.get_by_role("button", name="Send reply")).to_have_count(0)
    await agent.get_by_role("button", name="Send and close").click()
    await expect(agent.get_by_text("The case is closed.")).to_be_visible()
    case = await morning.ana.get(f"/cases/{morning.numbers[0]}")
    assert (case["status"], case["resolution"]) == ("closed", "Replaced the roller.")
    await agent.goto(morning.address)
    await expect(agent.locator(f".queue a[href*='{morning.numbers[0]}']")).to_have_count(0)


async def test_what_an_agent_begins_to_write_waits_while_another_case_is_looked_at(
    agent: Page, morning: Morning
) -> None:
    await go(agent, morning, 0)
    await agent.locator(TEXT).fill("Half a sentence")
    await agent.locator(f".queue a[href*='{morning.numbers[1]}']").click()
    await expect_open(agent, TITLES[1])
    await expect(agent.locator(TEXT)).to_have_value("")
    await agent.locator(f".queue a[href*='{morning.numbers[0]}']").click()
    await expect_open(agent, TITLES[0])
    await expect(agent.locator(TEXT)).to_have_value("Half a sentence")
    await expect(agent.get_by_text("Your draft has been restored.")).to_be_visible()


async def test_the_instructions_of_a_pin_are_seen_without_a_search(agent: Page, morning: Morning) -> None:
    await go(agent, morning, 0)
    await expect(agent.locator(".instructions")).to_contain_text("Call first.")


@pytest.mark.timeout(120)
async def test_a_queue_works_on_a_phone_without_scripts(browser: Browser, stack: Stack, morning: Morning) -> None:
    async with await browser.new_context(
        java_script_enabled=False, viewport={"width": 360, "height": 740}, locale="en-GB"
    ) as context:
        page = await context.new_page()
        await begin_session(page, stack, VENDOR_ADMIN)
        await page.goto(morning.address)
        await expect(page.locator("h1")).to_have_text("Unassigned")
        await expect(page.locator("#case")).to_be_hidden()
        await page.get_by_role("link", name=TITLES[2]).click()
        await expect(page.locator("#title")).to_be_visible()
        await expect(page.locator(".queue")).to_be_hidden()
        await page.get_by_role("button", name="Take the case").click()
        await expect(page.get_by_text("You have taken the case.")).to_be_visible()
        least = {".answer.composer form": 300, "#answer-then": 80, ".answer .drop": 80, ".kind:has([value=note])": 80}
        for part, width in least.items():
            box = await page.locator(part).bounding_box()
            assert box is not None
            assert (box["width"] >= width, box["x"] + box["width"] <= 360) == (True, True), (part, box)
        await page.get_by_text("Note, only for support").click()
        await expect(page.get_by_role("button", name="Save note")).to_be_visible()
        await page.locator("#answer-text").fill("From the train.")
        await page.get_by_role("button", name="Save note").click()
        await expect(page.get_by_text("Your note is saved.")).to_be_visible()
        await expect(page.locator("#newest.note")).to_contain_text("From the train.")
        await page.get_by_role("link", name="Back").click()
        await expect(page.locator(".queue")).to_be_visible()
        await expect(page.get_by_role("link", name=TITLES[2])).to_have_count(0)
        await end_session(page, stack)


async def test_on_a_phone_the_answer_takes_little_room_until_somebody_writes(agent: Page, morning: Morning) -> None:
    await agent.set_viewport_size({"width": 360, "height": 740})
    await agent.goto(morning.at(0))
    composer, state = agent.locator(".answer.composer"), agent.get_by_label("and then")
    await expect(state).to_be_hidden()
    assert await composer.evaluate("(all) => all.offsetHeight") <= 130
    await agent.locator(TEXT).focus()
    await expect(state).to_be_visible()
    await state.focus()
    await expect(state).to_be_visible()


async def test_on_a_phone_what_is_done_with_a_case_stands_in_one_row(
    agent: Page, stack: Stack, morning: Morning
) -> None:
    try:
        for place, (language, name) in enumerate((("en", "Update this case"), ("fr", "Mettre à jour ce dossier"))):
            await in_language(agent, stack, language)
            await agent.goto(morning.at(place))
            await agent.set_viewport_size({"width": 360, "height": 740})
            await expect_one_row(agent, name)
            await agent.locator("[data-take]").click()
            await expect(agent.locator(".work-head .assignee")).to_be_visible()
            await expect_one_row(agent, name)
    finally:
        await in_language(agent, stack, "en")


async def test_what_is_said_of_a_draft_keeps_to_its_lines_beside_what_sends(
    agent: Page, stack: Stack, morning: Morning
) -> None:
    try:
        await in_language(agent, stack, "fr")
        await go(agent, morning, 0)
        await agent.locator(TEXT).fill("Réparé.")
        await agent.locator("#answer-then").select_option("close")
        await expect(agent.locator(".answer .said")).to_contain_text("Le brouillon est conservé")
        for width in (768, 1024, 1280, 1440):
            await agent.set_viewport_size({"width": width, "height": 740})
            said = await agent.locator(".answer .said").bounding_box()
            then = await agent.locator("#answer-then").bounding_box()
            assert said is not None
            assert then is not None
            assert (said["height"] <= 40, then["width"] >= 150) == (True, True), (width, said, then)
    finally:
        await in_language(agent, stack, "en")


async def expect_one_row(page: Page, name: str) -> None:
    buttons = page.locator(".work-head .buttons > *")
    tops = await buttons.evaluate_all("all => all.map((one) => Math.round(one.getBoundingClientRect().top))")
    assert (len(tops), len(set(tops))) == (3, 1)
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    await expect(page.locator(".work-head .menu > summary")).to_have_text(name)  # which is heard; dots are seen


async def test_the_queues_are_counted_on_every_page_of_an_agent(agent: Page, stack: Stack, morning: Morning) -> None:
    await agent.goto(f"{stack.base_url}/cases/{morning.numbers[0]}")
    navigation = agent.locator("#navigation")
    unassigned = navigation.get_by_role("link", name=re.compile(r"^Unassigned ?[\d,]+\+?$"))
    await expect(unassigned).to_be_visible()
    # They are not counted anew for every page.
    asked: list[str] = []
    agent.on("request", lambda request: asked.append(request.url))
    await agent.goto(f"{stack.base_url}/help")
    await expect(unassigned).to_be_visible()
    assert not [url for url in asked if url.endswith("/agent/queues")]
    await navigation.get_by_role("link", name=re.compile("^Unassigned")).click()
    await expect(agent.locator("h1")).to_have_text("Unassigned")


@pytest.mark.parametrize("width", [360, 1440])
async def test_the_filters_of_a_queue_are_called_so(agent: Page, stack: Stack, width: int) -> None:
    await agent.set_viewport_size({"width": width, "height": 740})
    await agent.goto(f"{stack.base_url}/queue?queue=open")
    await agent.get_by_text("Filters · ").click()
    await expect(agent.get_by_label("Company", exact=True)).to_be_visible()


async def test_a_queue_without_cases_offers_none_to_choose(agent: Page, morning: Morning) -> None:
    await agent.goto(f"{morning.address}-nobody")
    await expect(agent.get_by_text("No case matches these filters.")).to_be_visible()
    await expect(agent.get_by_text("Choose a case from the list.")).to_have_count(0)

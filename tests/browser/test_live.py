"""Pages that stay up to date: two people on one case, agents who see each other, and what customers never see."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect

from deploy.local.stack import PythonPart, Stack
from tests.browser.test_case_form import ana
from tests.browser.walking import a_customer, begin_session
from tests.builders import a_serial, an_email
from tests.e2e.portal import PASSWORD, VENDOR_ADMIN, Visitor, vendor_admin_exists, visiting

__all__ = ["ana"]

# A change is seen within this time; half of what people are promised, because a busy machine is slow.
SEEN_WITHIN_MS = 10_000
STREAM = "**/api/v1/events*"


@pytest.fixture(scope="module")
async def vera(stack: Stack) -> AsyncIterator[Visitor]:
    """The vendor's first administrator."""
    await vendor_admin_exists(stack)
    async with visiting(stack, VENDOR_ADMIN) as vera:
        yield await vera.sign_in()


@pytest.fixture(scope="module")
async def marta(stack: Stack, vera: Visitor) -> AsyncIterator[Visitor]:
    """Marta Lindqvist, an agent."""
    company_id = (await vera.get("/session"))["user"]["company_id"]
    email = an_email("marta")
    words = ("--company-id", company_id, "--role", "agent", "--first-name", "Marta", "--last-name", "Lindqvist")
    code, said = await stack.run_service_command(
        "identity", "create-user", "--email", email, *words, stdin=f"{PASSWORD}\n"
    )
    assert code == 0, said
    async with visiting(stack, email) as marta:
        yield await marta.sign_in()


@pytest.fixture
async def number(ana: Visitor) -> str:
    """A case that no other test knows."""
    return str((await ana.submit(serial=a_serial()))["number"])


Opened = Callable[[str, str], Awaitable[Page]]


@pytest.fixture
async def opened(browser: Browser, stack: Stack) -> AsyncIterator[Opened]:
    """Opens an address as somebody, in a browser of their own, and waits until the page follows what happens."""
    contexts = []

    async def open_as(email: str, path: str) -> Page:
        context = await browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(30_000)
        await begin_session(page, stack, email)
        async with following(page):
            await page.goto(f"{stack.base_url}{path}")
        return page

    yield open_as
    for context in contexts:
        await context.close()


@asynccontextmanager
async def following(page: Page) -> AsyncIterator[None]:
    """Within, the page opens a stream, which is open afterwards."""
    async with page.expect_response(STREAM) as stream:
        yield
    assert (await stream.value).status == 200


def comment(page: Page) -> Locator:
    return page.locator("#comment-text")


def notice(page: Page) -> Locator:
    return page.locator(".live [role=status]")


async def top_of(element: Locator) -> float:
    return float(await element.evaluate("element => element.getBoundingClientRect().top"))


async def test_what_the_other_side_writes_is_there_without_a_reload_and_moves_nothing(
    opened: Opened, ana: Visitor, marta: Visitor, number: str
) -> None:
    for place in range(12):
        await ana.act(number, action="comment", text=f"Entry {place}. " + "It jams again and again. " * 12)
    page = await opened(ana.email, f"/cases/{number}")
    await page.evaluate("window.isStillHere = true")
    await comment(page).fill("What I am typing")
    read = page.locator(".talk > .message").filter(has_text="Entry 9.")
    await read.scroll_into_view_if_needed()
    await comment(page).focus()
    field_before, read_before = await top_of(comment(page)), await top_of(read)

    await marta.agent_act(number, action="take")
    await marta.agent_act(number, action="reply", text="Please turn it off and on.")

    newest = page.locator("#newest")
    await expect(newest).to_contain_text("Please turn it off and on.", timeout=SEEN_WITHIN_MS)
    await expect(page.locator(".page-head .line").first).to_contain_text("In progress")
    await expect(page.locator(".turn")).to_contain_text("Marta Lindqvist")
    await expect(notice(page)).to_contain_text("new ent")
    await expect(comment(page)).to_have_value("What I am typing")
    await expect(comment(page)).to_be_focused()
    assert abs(await top_of(comment(page)) - field_before) < 2
    assert abs(await top_of(read) - read_before) < 2
    await expect(page.locator("#newest")).to_have_count(1)
    await notice(page).get_by_role("button", name="Show").click()
    await expect(page.locator(".talk :focus")).to_be_in_viewport()
    await expect(notice(page)).to_be_empty()
    assert await page.evaluate("window.isStillHere")


async def test_what_was_written_by_oneself_is_sent_beside_what_came_in(
    opened: Opened, ana: Visitor, marta: Visitor, number: str
) -> None:
    page = await opened(ana.email, f"/cases/{number}")
    await comment(page).fill("It is off.")
    await marta.agent_act(number, action="reply", text="Is it off?")
    await expect(page.locator("#newest")).to_contain_text("Is it off?", timeout=SEEN_WITHIN_MS)
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.get_by_text("Your message is sent.")).to_be_visible()
    texts = await page.locator(".talk > .message:not(#problem) .prose").all_inner_texts()
    assert texts == ["Is it off?", "It is off."]


async def test_whose_turn_it_is_and_how_a_case_ended_follow_the_case(
    opened: Opened, ana: Visitor, marta: Visitor, number: str
) -> None:
    page = await opened(ana.email, f"/cases/{number}")
    await marta.agent_act(number, action="take")
    await expect(page.locator(".turn")).to_contain_text("Marta Lindqvist", timeout=SEEN_WITHIN_MS)
    version = (await ana.get(f"/cases/{number}"))["version"]
    await marta.agent_act(number, action="close", version=version, resolution="Replaced the roller.")
    await expect(page.locator(".turn.ended")).to_contain_text("Replaced the roller.", timeout=SEEN_WITHIN_MS)
    await expect(notice(page)).to_contain_text("The case has changed.")
    await notice(page).get_by_role("button", name="Reload").click()
    await expect(page.locator(".composer")).to_have_count(0)


async def test_what_was_asked_for_and_its_answer_follow_the_case_on_both_sides(
    opened: Opened, ana: Visitor, marta: Visitor, number: str
) -> None:
    page = await opened(ana.email, f"/cases/{number}")
    beside = await opened(marta.email, f"/queue?queue=unassigned&sort=-created_at&case={number}")
    await ana.act(number, action="request_escalation", reason="The ward waits.")
    for each, said in ((page, "Escalation requested"), (beside, "The ward waits.")):
        await expect(each.locator(".asked")).to_contain_text(said, timeout=SEEN_WITHIN_MS)
    await marta.agent_act(number, action="accept_escalation")
    for each in (page, beside):
        await expect(each.locator(".asked")).to_contain_text("Marta Lindqvist accepted it", timeout=SEEN_WITHIN_MS)


async def test_a_dialog_that_is_open_keeps_what_was_decided_about(
    opened: Opened, ana: Visitor, marta: Visitor, number: str
) -> None:
    page = await opened(ana.email, f"/cases/{number}")
    seen = str((await ana.get(f"/cases/{number}"))["version"])
    await page.evaluate("document.querySelector('a[data-act][href*=\"/do/close\"]').click()")
    reason = page.locator("dialog:modal textarea")
    await reason.fill("It works again.")
    await marta.agent_act(number, action="reply", text="Does it work?")
    await expect(page.locator("#newest")).to_contain_text("Does it work?", timeout=SEEN_WITHIN_MS)
    await expect(reason).to_have_value("It works again.")
    assert await page.locator("dialog:modal input[name=version]").input_value() == seen


async def test_a_customer_sees_nothing_of_a_note_and_colleagues_see_it_at_once(
    opened: Opened, ana: Visitor, marta: Visitor, vera: Visitor, number: str
) -> None:
    canary = f"canary{secrets.token_hex(6)}"
    customers = await opened(ana.email, f"/cases/{number}")
    vendors = await opened(vera.email, f"/cases/{number}")
    asked: list[str] = []
    customers.on("request", lambda request: asked.append(request.url))
    await marta.agent_act(number, action="note", text=canary)
    await expect(vendors.locator("#newest")).to_contain_text(canary, timeout=SEEN_WITHIN_MS)
    # What happens next is heard in its turn: the note was not.
    await marta.agent_act(number, action="reply", text="We have a look.")
    await expect(customers.locator("#newest")).to_contain_text("We have a look.", timeout=SEEN_WITHIN_MS)
    assert len([url for url in asked if url.endswith(f"/cases/{number}")]) == 1
    assert canary not in await customers.content()
    await expect(notice(customers)).to_have_text("1 new entry Show")


async def test_two_agents_on_a_case_see_each_other_and_customers_see_neither(
    opened: Opened, ana: Visitor, marta: Visitor, vera: Visitor, number: str
) -> None:
    customers = await opened(ana.email, f"/cases/{number}")
    first = await opened(vera.email, f"/cases/{number}")
    await expect(first.locator("[data-presence]")).to_be_empty()
    second = await opened(marta.email, f"/cases/{number}")
    # Who was there first is told of the newcomer, who is answered.
    others = first.locator("[data-presence]")
    await expect(others).to_have_text("Marta Lindqvist is on this case too.", timeout=SEEN_WITHIN_MS)
    await expect(second.locator("[data-presence]")).to_contain_text("is on this case too.", timeout=SEEN_WITHIN_MS)
    await second.locator("#answer-text").press_sequentially("I know")
    await expect(others).to_have_text("Marta Lindqvist is writing.", timeout=SEEN_WITHIN_MS)
    await second.close(run_before_unload=True)
    await expect(others).to_be_empty(timeout=SEEN_WITHIN_MS)
    await expect(customers.locator("[data-presence]")).to_have_count(0)
    assert "Lindqvist" not in await customers.content()


async def test_who_stops_telling_is_forgotten(opened: Opened, marta: Visitor, vera: Visitor, number: str) -> None:
    first = await opened(vera.email, f"/cases/{number}")
    answer = await marta.call("POST", f"/cases/{number}/presence", json={"state": "here"})
    assert answer.status == 204
    others = first.locator("[data-presence]")
    await expect(others).to_have_text("Marta Lindqvist is on this case too.", timeout=SEEN_WITHIN_MS)
    await first.evaluate("const now = Date.now; Date.now = () => now() + 46_000")
    await expect(others).to_be_empty(timeout=SEEN_WITHIN_MS)


@pytest.fixture
async def lone(stack: Stack) -> AsyncIterator[Visitor]:
    """An administrator of a company of whose cases nothing is told but what the test does."""
    async with visiting(stack, an_email()) as admin:
        yield (await a_customer(stack, admin)).admin


async def test_a_list_says_quietly_that_cases_have_changed(opened: Opened, lone: Visitor, marta: Visitor) -> None:
    number = (await lone.submit(serial=a_serial()))["number"]
    page = await opened(lone.email, "/cases")
    before = await page.locator("tbody tr").all_inner_texts()
    await marta.agent_act(number, action="take")
    await expect(notice(page)).to_have_text("1 case has changed. Reload", timeout=SEEN_WITHIN_MS)
    assert await page.locator("tbody tr").all_inner_texts() == before
    await notice(page).get_by_role("button", name="Reload").click()
    row = page.locator("tbody tr").filter(has_text=number)
    await expect(row).to_contain_text("In progress")
    await expect(notice(page)).to_be_empty()


async def test_the_start_page_says_so_too_and_only_of_what_it_shows(
    opened: Opened, lone: Visitor, marta: Visitor
) -> None:
    number = (await lone.submit(serial=a_serial()))["number"]
    page = await opened(lone.email, "/")
    version = (await marta.agent_act(number, action="take"))["version"]
    await marta.agent_act(number, action="set_status", version=version, status="waiting_customer")
    await expect(notice(page)).to_contain_text("1 case has changed.", timeout=SEEN_WITHIN_MS)


async def test_a_queue_follows_its_case_and_its_list(
    opened: Opened, ana: Visitor, marta: Visitor, vera: Visitor, number: str
) -> None:
    page = await opened(vera.email, f"/queue?queue=unassigned&sort=-created_at&case={number}")
    await page.locator("#answer-text").fill("What I am typing")
    await ana.act(number, action="comment", text="It jams again.")
    await expect(page.locator("#newest")).to_contain_text("It jams again.", timeout=SEEN_WITHIN_MS)
    await marta.agent_act(number, action="take")
    await expect(page.locator("#case .work-head .buttons")).to_contain_text("Marta Lindqvist", timeout=SEEN_WITHIN_MS)
    await expect(page.locator("#answer-text")).to_have_value("What I am typing")
    assert (await marta.call("POST", f"/cases/{number}/presence", json={"state": "here"})).status == 204
    await expect(page.locator("[data-presence]")).to_have_text("Marta Lindqvist is on this case too.")
    other = (await ana.submit(serial=a_serial()))["number"]
    await expect(notice(page)).to_contain_text("changed.", timeout=SEEN_WITHIN_MS)
    await expect(page.locator(f".queue > [data-number='{other}']")).to_have_count(0)


async def test_the_rows_of_a_queue_are_renewed_where_they_stand(
    opened: Opened, ana: Visitor, marta: Visitor, vera: Visitor
) -> None:
    word = f"w{secrets.token_hex(6)}"
    cases = [
        await ana.submit(serial=a_serial(), title="Paper jam", description=f"It stopped this morning: {word}.")
        for _ in range(3)
    ]
    numbers = [str(case["number"]) for case in cases]
    queue = f"/queue?queue=open&sort=-updated_at&company_id={cases[0]['company_id']}&q={word}"
    page = await opened(vera.email, f"{queue}&case={numbers[0]}")
    rows = {number: page.locator(f".queue > [data-number='{number}']") for number in numbers}
    await page.locator("#answer-text").fill("What I am typing")
    await page.evaluate("window.isStillHere = true")
    places = [await top_of(row) for row in rows.values()]
    # The chosen one, whose number the case beside it has, and another, on whose link the keys stand.
    for number in numbers[:2]:
        await rows[number].locator("a").focus()
        await marta.agent_act(number, action="take")
        await expect(rows[number]).to_contain_text("Marta Lindqvist", timeout=SEEN_WITHIN_MS)
        await expect(rows[number]).to_contain_text("In progress")
        await expect(rows[number].locator("a")).to_be_focused()
        version = (await marta.get(f"/cases/{number}"))["version"]
        await marta.agent_act(number, action="set_status", version=version, status="waiting_customer")
        await expect(rows[number]).to_contain_text("their turn", timeout=SEEN_WITHIN_MS)
    # By their last change they would be in another order.
    assert [await top_of(row) for row in rows.values()] == pytest.approx(places, abs=1)
    await expect(rows[numbers[2]]).to_contain_text("New")
    version = (await marta.get(f"/cases/{numbers[1]}"))["version"]
    await marta.agent_act(numbers[1], action="close", version=version, resolution="It works.")
    await expect(rows[numbers[1]]).to_contain_text("No longer in this part of the list", timeout=SEEN_WITHIN_MS)
    await expect(notice(page)).to_contain_text("changed.")
    assert [await top_of(row) for row in rows.values()] == pytest.approx(places, abs=1)
    await expect(page.locator("#answer-text")).to_have_value("What I am typing")
    assert await page.evaluate("window.isStillHere")


async def test_a_page_out_of_sight_has_no_stream_and_reads_again_when_it_is_seen(
    opened: Opened, ana: Visitor, marta: Visitor, number: str
) -> None:
    page = await opened(ana.email, f"/cases/{number}")
    await page.clock.install()
    await hide(page, is_hidden=True)
    async with page.expect_event("requestfailed", lambda request: "/api/v1/events" in request.url):
        await page.clock.run_for(11_000)
    await marta.agent_act(number, action="reply", text="Are you still there?")
    async with following(page):
        await hide(page, is_hidden=False)
    await expect(page.locator("#newest")).to_contain_text("Are you still there?", timeout=SEEN_WITHIN_MS)


async def hide(page: Page, *, is_hidden: bool) -> None:
    await page.evaluate(
        """isHidden => {
          Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )


async def test_when_the_session_has_ended_the_page_asks_no_more(opened: Opened, ana: Visitor, number: str) -> None:
    page = await opened(ana.email, f"/cases/{number}")
    async with page.expect_response(lambda answer: "/api/v1/events" in answer.url and answer.status == 401):
        csrf = await page.locator("meta[name=csrf-token]").get_attribute("content")
        await page.evaluate(
            "csrf => fetch('/api/v1/session', { method: 'DELETE', headers: { 'X-CSRF-Token': csrf } })", csrf
        )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await page.wait_for_timeout(500)
    assert asked == []


async def test_a_case_that_is_no_longer_seen_is_said_to_be_gone(
    opened: Opened, ana: Visitor, marta: Visitor, number: str
) -> None:
    page = await opened(ana.email, f"/cases/{number}")

    async def gone(route: Route) -> None:
        await route.fulfill(status=404, body="Not found")

    await page.route(f"**/cases/{number}", gone)
    await marta.agent_act(number, action="reply", text="One moment.")
    await expect(notice(page)).to_have_text("You do not see this case any more.", timeout=SEEN_WITHIN_MS)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("part", ["cases", "rabbitmq"])
async def test_when_a_part_was_killed_the_page_comes_back_by_itself_and_reads_again(
    opened: Opened, stack: Stack, ana: Visitor, marta: Visitor, part: str
) -> None:
    number = (await ana.submit(serial=a_serial()))["number"]
    page = await opened(ana.email, f"/cases/{number}")
    try:
        stack.kill(part)
    finally:
        await stack.restart(part)
    await marta.agent_act(number, action="reply", text="We are back.")
    await expect(page.locator("#newest")).to_contain_text("We are back.", timeout=60_000)
    await marta.agent_act(number, action="reply", text="And stay.")
    await expect(page.locator("#newest")).to_contain_text("And stay.", timeout=60_000)
    assert cast("PythonPart", stack.parts["cases"]).child.running


async def test_without_a_stream_the_page_is_as_it_always_was(
    browser: Browser, stack: Stack, ana: Visitor, number: str
) -> None:
    async with await browser.new_context() as context:
        page = await context.new_page()
        await page.route(STREAM, lambda route: route.abort())
        await begin_session(page, stack, ana.email)
        await page.goto(f"{stack.base_url}/cases/{number}")
        await comment(page).fill("Anybody there?")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(page.get_by_text("Your message is sent.")).to_be_visible()
        await expect(notice(page)).to_be_empty()

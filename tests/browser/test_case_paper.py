"""The page of a case on paper, and who was told of it."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from deploy.local.stack import Stack
from tests.browser.test_case_drafts import case
from tests.browser.test_case_form import ana, plain
from tests.browser.walking import begin_session, end_session
from tests.builders import a_contact, a_serial, an_email
from tests.e2e.portal import VENDOR_ADMIN, Visitor, mail_for, visiting

__all__ = ["ana", "case", "plain"]

FOLDED = "details.section, .fold > details, .told"


async def a_long_case(ana: Visitor) -> str:
    number = str((await ana.submit(serial=a_serial()))["number"])
    for place in range(54):
        await ana.act(number, action="comment", text=f"Entry {place}.")
    return number


async def expect_paper(page: Page) -> None:
    """What the screen shows is there and readable, and nothing that can only be pressed."""
    for text in ("Paper jam in tray 3", "Entry 53.", "Entry 6.", "Case details", "Preferred contact"):
        await expect(page.get_by_text(text, exact=True).first).to_be_visible()
    await expect(page.locator("h1 + .line + .line")).to_contain_text(re.compile(r"Number \d{10}"))
    await expect(page.get_by_text("Earlier entries are not on this page.")).to_be_visible()
    for away in (".tools", "nav.side", ".legal", ".composer", ".views", "dialog", ".menu", ".fold summary"):
        for shown in await page.locator(away).all():
            await expect(shown).to_be_hidden()
    for pressed in await page.locator("main :is(button, .button)").all():
        await expect(pressed).to_be_hidden()
    await expect(page.get_by_role("link", name="All cases of this device")).to_be_hidden()
    # “Yesterday” is read on another day.
    moments = await page.locator(".talk time").evaluate_all(
        "times => times.map((time) => getComputedStyle(time, '::after').content)"
    )
    assert moments
    assert all(re.fullmatch(r'"\d+ \w+ \d{4}, \d\d:\d\d"', moment) for moment in moments), moments


async def test_a_case_is_printed_whole_whatever_is_folded(page: Page, stack: Stack, case: Page, ana: Visitor) -> None:
    await case.goto(f"{stack.base_url}/cases/{await a_long_case(ana)}")
    await case.evaluate(f"document.querySelectorAll('{FOLDED}').forEach((each) => {{ each.open = false }})")
    await expect(case.get_by_text("Case details")).to_be_visible()
    await expect(case.get_by_text("Preferred contact")).to_be_hidden()
    await case.emulate_media(media="print", color_scheme="dark")
    await expect_paper(case)
    ground = await case.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground in {"rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"}  # whatever the screen's
    width = await case.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0
    await case.emulate_media(media="screen")
    # As browsers do it by themselves, for those that cannot show what is folded.
    opened = f"[...document.querySelectorAll('{FOLDED}')].every((each) => each.open)"
    await case.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert await case.evaluate(opened)
    await case.evaluate("window.dispatchEvent(new Event('afterprint'))")
    await expect(case.get_by_text("Preferred contact")).to_be_hidden()


async def test_agents_print_what_was_asked_for_and_notes_without_what_can_be_done(
    page: Page, stack: Stack, ana: Visitor
) -> None:
    number = str((await ana.submit(serial=a_serial()))["number"])
    await ana.act(number, action="request_callback", at="now", phone="+33472000000")
    async with visiting(stack, VENDOR_ADMIN) as vera:
        await vera.sign_in()
        await vera.agent_act(number, action="note", text="The bearing is worn.")
    await begin_session(page, stack, VENDOR_ADMIN)
    await page.goto(f"{stack.base_url}/cases/{number}")
    await page.emulate_media(media="print")
    await expect(page.get_by_text("The bearing is worn.")).to_be_visible()
    await expect(page.get_by_text("Note: only support sees it")).to_be_visible()
    asked = page.locator(".asked li", has_text="Callback to be confirmed: ")
    await expect(asked).to_be_visible()
    assert "·" not in await asked.inner_text()
    for pressed in await page.locator("main :is(button, .button, [data-act], [data-keys])").all():
        await expect(pressed).to_be_hidden()
    await end_session(page, stack)


async def test_a_case_is_printed_whole_without_scripts(plain: Page, stack: Stack, ana: Visitor) -> None:
    await plain.goto(f"{stack.base_url}/cases/{await a_long_case(ana)}")
    await plain.emulate_media(media="print")
    await expect_paper(plain)


def told(page: Page) -> Locator:
    return page.locator("details.told")


@pytest.mark.parametrize("width", [1440, 360])
async def test_who_was_told_is_a_line_that_opens(case: Page, stack: Stack, ana: Visitor, width: int) -> None:
    number = (await ana.submit(serial=a_serial(), contact=a_contact(email=an_email("contact"))))["number"]
    await mail_for(stack, ana.email, about=number)
    await case.set_viewport_size({"width": width, "height": 800})
    await case.goto(f"{stack.base_url}/cases/{number}")
    line = told(case).locator("summary")
    await expect(line).to_contain_text(re.compile("was e-mailed|were e-mailed"))
    await expect(told(case).get_by_text("Case created")).to_be_hidden()
    await line.focus()
    await case.keyboard.press("Enter")
    await expect(told(case).get_by_text("Case created")).to_be_visible()
    await expect(told(case).get_by_text(ana.email)).to_be_visible()
    assert await case.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await case.goto(f"{stack.base_url}/cases/{number}/created")
    await expect(told(case).locator("summary")).to_contain_text(re.compile("was e-mailed|were e-mailed"))

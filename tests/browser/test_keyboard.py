"""The main path by keyboard alone: an administrator invites a member, who joins, creates a case and answers in it."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Locator, Page, expect

from deploy.local.stack import Stack
from tests.browser.walking import Customer, a_customer
from tests.builders import an_email
from tests.e2e.portal import PASSWORD, VENDOR_ADMIN, link_in, mail_for, visiting

MOST_TABS = 150


@pytest.fixture
async def customer(stack: Stack) -> AsyncIterator[Customer]:
    async with visiting(stack, an_email()) as admin:
        yield await a_customer(stack, admin)


@pytest.fixture
async def keys(page: Page) -> AsyncIterator[Page]:
    """A page whose mouse fails the test."""
    await page.add_init_script(
        "addEventListener('pointerdown', (event) => { document.title = 'MOUSE'; event.preventDefault(); }, true)"
    )
    yield page
    assert await page.title() != "MOUSE"


async def tab_to(page: Page, target: Locator) -> None:
    """Presses Tab until the element has the focus, and sees that the focus shows."""
    await expect(target).to_be_visible()
    for _ in range(MOST_TABS):
        if await target.evaluate("(element) => element === document.activeElement"):
            shown = await target.evaluate("(element) => getComputedStyle(element).outlineStyle")
            assert shown != "none", "the focus does not show"
            return
        await page.keyboard.press("Tab")
    pytest.fail(f"{target} cannot be reached by keyboard")


async def fill(page: Page, target: Locator, text: str) -> None:
    await tab_to(page, target)
    await page.keyboard.press("Control+a")
    await page.keyboard.type(text)


async def press(page: Page, target: Locator) -> None:
    await tab_to(page, target)
    await page.keyboard.press("Enter")


async def choose(page: Page, target: Locator, letters: str) -> None:
    """As one picks from a list by typing; letters that come a second apart are each the first of a word."""
    await tab_to(page, target)
    for _ in range(3):
        await page.keyboard.type(letters)
        if (await target.evaluate("(element) => element.selectedOptions[0].text")).startswith(letters):
            return
        await asyncio.sleep(1.5)
    pytest.fail(f"{letters} cannot be chosen by keyboard")


async def sign_in_by_keyboard(page: Page, stack: Stack, email: str) -> None:
    await page.goto(f"{stack.base_url}/sign-in")
    await fill(page, page.get_by_label("E-mail address"), email)
    await fill(page, page.get_by_label("Password"), PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{stack.base_url}/")


@pytest.mark.timeout(240)
async def test_a_member_is_invited_joins_and_follows_a_case_by_keyboard_alone(
    stack: Stack, customer: Customer, keys: Page
) -> None:
    page, member = keys, an_email("luc")

    # The administrator invites; the skip link is the first stop of every page.
    await sign_in_by_keyboard(page, stack, customer.admin.email)
    await page.goto(f"{stack.base_url}/users")
    await page.keyboard.press("Tab")
    await expect(page.locator(":focus")).to_have_attribute("href", re.compile("#"))
    await press(page, page.get_by_role("link", name="Invite people"))
    await fill(page, page.get_by_label("E-mail addresses"), member)
    await press(page, page.get_by_role("button", name="Send invitations"))
    await expect(page.get_by_text(member).first).to_be_visible()
    await page.context.clear_cookies()

    # The member joins.
    code = link_in(await mail_for(stack, member, about="invit"), "invitations")
    await page.goto(f"{stack.base_url}/invitations/{code}")
    await fill(page, page.get_by_label("First name"), "Luc")
    await fill(page, page.get_by_label("Last name"), "Petit")
    await fill(page, page.get_by_label("Password"), PASSWORD)
    await press(page, page.get_by_role("button", name="Accept the invitation"))
    typed = re.search(r"\b\d{6}\b", (await mail_for(stack, member, about="verif"))["text"])
    assert typed is not None
    await fill(page, page.get_by_label("Code from the e-mail"), typed[0])
    await page.keyboard.press("Enter")
    await expect(page).not_to_have_url(re.compile("/verify"))
    await sign_in_by_keyboard(page, stack, member)

    # The member creates a case from the start page.
    start = page.locator("main").get_by_label("Serial number, contract (SAID) or product name")
    await fill(page, start, customer.serial)
    await page.keyboard.press("Enter")
    await fill(page, page.get_by_label("Title"), "No paper is taken")
    await fill(page, page.get_by_label("Description"), "The lower tray takes no paper since Monday.")
    await tab_to(page, page.get_by_role("radio", name="Normal"))
    await page.keyboard.press("ArrowUp")
    await expect(page.get_by_role("radio", name="High")).to_be_checked()
    await fill(page, page.get_by_label("Phone").first, "+33472000002")
    await fill(page, page.get_by_label("Address", exact=True).first, "1 rue de la Paix")
    await fill(page, page.get_by_label("Postal code").first, "69001")
    await fill(page, page.get_by_label("City").first, "Lyon")
    await choose(page, page.get_by_label("Country").first, "France")
    await press(page, page.get_by_role("button", name="Submit the case"))
    await expect(page).to_have_url(re.compile(r"/cases/\d{10}/created"))
    number = str(re.findall(r"\d{10}", page.url)[0])
    await mail_for(stack, member, about=number)

    # Follows it, and answers.
    await press(page, page.get_by_role("link", name="Follow this case"))
    await expect(page).to_have_url(f"{stack.base_url}/cases/{number}")
    await fill(page, page.get_by_label("Message", exact=True), "The upper tray works.")
    await press(page, page.get_by_role("button", name="Send", exact=True))
    await expect(page.locator("#history").get_by_text("The upper tray works.")).to_be_visible()
    async with visiting(stack, VENDOR_ADMIN) as vera:
        await vera.sign_in()
        case = await vera.get(f"/cases/{number}")
    assert [entry["text"] for entry in case["history"]] == ["", "The upper tray works."]

"""What surrounds every page: search, menus, dialogs, sections, the choice of a language; with scripts and without."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect

from deploy.local.stack import Stack
from deploy.local.waiting import until
from tests.browser.walking import begin_session
from tests.builders import a_serial, an_email
from tests.e2e.portal import VENDOR_ADMIN, Visitor, a_company, join, vendor_admin_exists, visiting


@pytest.fixture(scope="module")
async def ana(stack: Stack) -> AsyncIterator[Visitor]:
    """A company's administrator, who has invited somebody."""
    await vendor_admin_exists(stack)
    async with visiting(stack, an_email()) as admin:
        async with visiting(stack, VENDOR_ADMIN) as vendor:
            await vendor.sign_in()
            company = await a_company(vendor)
            invited = {"invitations": [{"email": admin.email, "role": "company_admin"}]}
            await vendor.post(f"/vendor/companies/{company['id']}/invitations", invited)
        await join(stack, admin)
        await admin.sign_in()
        await admin.complete_profile()
        await admin.post("/invitations", {"invitations": [{"email": an_email(), "role": "member"}]})
        yield admin


@pytest.fixture
async def shell(page: Page, stack: Stack, ana: Visitor) -> Page:
    """Of somebody who is signed in; no page is open yet."""
    await begin_session(page, stack, ana.email)
    return page


async def test_the_search_is_one_key_away_on_wide_and_on_narrow_screens(shell: Page, stack: Stack) -> None:
    await shell.goto(stack.base_url)
    search = shell.get_by_role("searchbox", name="Search cases")
    await shell.keyboard.press("Control+k")
    await expect(search).to_be_focused()
    await shell.set_viewport_size({"width": 360, "height": 740})
    await shell.reload()
    assert await width_of(search) == 44  # an icon, until it is pressed
    await search.click()
    assert await width_of(search) > 300
    await search.blur()
    await shell.keyboard.press("Control+k")
    await expect(search).to_be_focused()
    assert await shell.evaluate("document.documentElement.scrollWidth") == 360
    await search.fill("paper")
    await search.press("Enter")
    await expect(shell).to_have_url(re.compile(r"/cases\?q=paper$"))


async def width_of(element: Locator) -> float:
    box = await element.bounding_box()
    assert box is not None
    return box["width"]


async def test_escape_closes_a_menu_and_gives_the_focus_back(shell: Page, stack: Stack) -> None:
    await shell.goto(stack.base_url)
    menu = shell.locator("summary", has_text="Ana Duarte")
    await menu.focus()
    await shell.keyboard.press("Enter")
    await expect(shell.get_by_role("navigation").get_by_role("link", name="My profile")).to_be_visible()
    await shell.keyboard.press("Tab")
    await shell.keyboard.press("Escape")
    await expect(shell.get_by_role("navigation").get_by_role("link", name="My profile")).to_be_hidden()
    await expect(menu).to_be_focused()


async def test_a_menu_closes_when_something_in_it_is_chosen(shell: Page, stack: Stack, ana: Visitor) -> None:
    case = await ana.submit(serial="SH1234567")
    await shell.goto(f"{stack.base_url}/cases/{case['number']}")
    await shell.locator("summary", has_text="Update this case").click()
    write = shell.get_by_role("link", name="Write or add files")
    await write.click()
    await expect(shell.locator(".composer textarea")).to_be_focused()
    await expect(write).to_be_hidden()


async def test_on_a_phone_one_menu_holds_the_whole_navigation_and_escape_closes_it(shell: Page, stack: Stack) -> None:
    await shell.set_viewport_size({"width": 360, "height": 740})
    await shell.goto(f"{stack.base_url}/users")
    burger, navigation = (
        shell.get_by_role("button", name="Menu"),
        shell.get_by_role("navigation", name="Main navigation"),
    )
    await burger.focus()
    await shell.keyboard.press("Enter")
    for name in ("Create a case", "Start", "Cases", "Company"):
        await expect(navigation.get_by_role("link", name=name, exact=True)).to_be_visible()
    await expect(navigation.locator("[aria-current=page]")).to_have_text("Company")
    await navigation.locator("summary", has_text="Ana Duarte").click()
    await expect(navigation.get_by_role("button", name="Sign out")).to_be_visible()
    await shell.keyboard.press("Escape")
    await expect(navigation).to_be_hidden()
    await expect(burger).to_be_focused()


async def test_an_action_of_a_case_is_a_dialog_and_its_refusal_keeps_it_open(
    shell: Page, stack: Stack, ana: Visitor
) -> None:
    case = await ana.submit(serial="SH1234567")
    await shell.goto(f"{stack.base_url}/cases/{case['number']}")
    await shell.locator("summary", has_text="Update this case").click()
    await shell.get_by_role("link", name="Close the case", exact=True).click()
    dialog = shell.get_by_role("dialog", name="Close the case")
    await expect(dialog.get_by_label("Reason")).to_be_focused()
    await dialog.get_by_role("link", name="Cancel").click()
    await expect(dialog).to_be_hidden()
    await expect(shell.locator("summary", has_text="Update this case")).to_be_focused()
    await shell.keyboard.press("Enter")
    await shell.get_by_role("link", name="Close the case", exact=True).click()
    await dialog.get_by_label("Reason").fill("It works again.")
    await dialog.get_by_role("button", name="Close the case").click()
    # It is a dialog again, with what is wrong in it.
    dialog = shell.locator("dialog:modal")
    await expect(dialog.locator("#errors")).to_be_focused()
    await expect(dialog.locator("#errors")).to_contain_text("The case was not closed")
    await expect(dialog.get_by_label("Reason")).to_have_value("It works again.")
    await dialog.get_by_label("Yes").check()
    await dialog.get_by_role("button", name="Close the case").click()
    await expect(shell.get_by_role("status").filter(has_text="The case is closed.")).to_be_visible()


async def test_a_refused_dialog_holds_a_long_reason_and_its_button(shell: Page, stack: Stack, ana: Visitor) -> None:
    case = await ana.submit(serial="SH1234567")
    await shell.set_viewport_size({"width": 360, "height": 740})
    await shell.goto(f"{stack.base_url}/cases/{case['number']}")
    dialog = shell.get_by_role("dialog", name="Close the case")
    await shell.locator("summary", has_text="Update this case").click()
    await shell.get_by_role("link", name="Close the case", exact=True).click()
    await dialog.get_by_label("Reason").fill("Line of a long reason\n" * 60)
    await dialog.get_by_role("button", name="Close the case").click()
    await expect(shell.get_by_role("alert")).to_contain_text("Is the problem solved?: Choose yes or no.")
    await dialog.get_by_label("Yes").check()
    await dialog.get_by_role("button", name="Close the case").click()
    await expect(shell.get_by_role("status").filter(has_text="The case is closed.")).to_be_visible()


@pytest.mark.parametrize("width", [1440, 768, 360])
async def test_all_sections_of_a_case_close_and_open_together(
    shell: Page, stack: Stack, ana: Visitor, width: int
) -> None:
    case = await ana.submit(serial=a_serial())
    await shell.goto(f"{stack.base_url}/cases/{case['number']}")
    await shell.set_viewport_size({"width": width, "height": 900})
    sections, are_open = shell.locator("details.section"), shell.locator("details.section[open]")
    await expect(sections).to_have_count(5)
    await expect(are_open).to_have_count(5)
    await shell.get_by_role("button", name="Collapse all").focus()
    await shell.keyboard.press("Enter")
    await expect(are_open).to_have_count(0)
    await shell.locator("#details > summary").focus()
    await shell.keyboard.press("Space")
    await expect(are_open).to_have_count(1)
    await shell.get_by_role("button", name="Expand all").focus()
    await shell.keyboard.press("Space")
    await expect(are_open).to_have_count(5)
    await expect(shell.get_by_role("button", name="Collapse all")).to_be_focused()


async def test_withdrawing_an_invitation_is_asked_once_more(shell: Page, stack: Stack) -> None:
    await shell.goto(f"{stack.base_url}/users")
    await shell.get_by_role("link", name=re.compile(r"^Withdraw \(.+@.+\)$")).click()
    dialog = shell.get_by_role("dialog", name="Withdraw this invitation?")
    await dialog.get_by_role("button", name="Withdraw the invitation").click()
    await expect(shell.get_by_role("status").filter(has_text="withdrawn")).to_be_visible()


async def test_a_visitor_chooses_french_without_scripts_and_stays_on_the_page(browser: Browser, stack: Stack) -> None:
    async with await browser.new_context(java_script_enabled=False, base_url=stack.base_url, locale="en-GB") as context:
        plain = await context.new_page()
        await plain.goto("/sign-in?next=%2Fcases")
        await plain.get_by_role("button", name="Français").click()
        await expect(plain).to_have_url(re.compile(r"/sign-in\?next=(%2F|/)cases$"))
        await expect(plain.locator("html")).to_have_attribute("lang", "fr")
        await expect(plain.get_by_role("heading", level=1)).to_have_text("Se connecter")


@pytest.mark.parametrize("stopped_by", ["key", "button"])
async def test_a_form_whose_sending_was_stopped_can_be_sent_again(
    shell: Page, stack: Stack, ana: Visitor, stopped_by: str
) -> None:
    case = await ana.submit(serial="SH1234567")
    await shell.clock.install()
    await shell.goto(f"{stack.base_url}/cases/{case['number']}")
    sent: list[str] = []

    async def stay_on_the_page(route: Route) -> None:
        sent.append(route.request.method)
        await route.fulfill(status=204)

    # As when the sending is stopped: the page stays as it was.
    await shell.route("**/cases/*", stay_on_the_page)
    await shell.locator("#comment-text").fill("It jams on every second page.")
    button = shell.get_by_role("button", name="Send", exact=True)
    for _ in range(2):
        await button.click()
        await expect(button).to_have_attribute("aria-busy", "true")
    assert await until(lambda: asyncio.sleep(0, bool(sent)), deadline_s=20)
    assert sent == ["POST"]
    await (shell.keyboard.press("Escape") if stopped_by == "key" else shell.clock.fast_forward(20_000))
    await expect(button).not_to_have_attribute("aria-busy", "true")
    await shell.unroute("**/cases/*")
    await button.click()
    await expect(shell.locator(".message", has_text="It jams on every second page.")).to_have_count(1)
    assert sent == ["POST"]


@pytest.mark.parametrize("width", [360, 1440])
async def test_a_password_can_be_looked_at_while_it_is_typed(page: Page, stack: Stack, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 740})
    await page.goto(f"{stack.base_url}/sign-in")
    password, button = page.get_by_label("Password"), page.get_by_role("button", name="Show")
    await password.fill("seven green kites")
    field, shown = await password.bounding_box(), await button.bounding_box()
    assert field is not None
    assert shown is not None
    assert field["y"] <= shown["y"]
    assert shown["y"] + shown["height"] <= field["y"] + field["height"]
    await button.click()
    await expect(password).to_have_attribute("type", "text")
    await page.get_by_role("button", name="Hide").click()
    await expect(password).to_have_attribute("type", "password")
    await expect(button).to_be_visible()


async def test_no_browser_keeps_a_password_that_was_looked_at_as_a_text(page: Page, stack: Stack) -> None:
    await page.goto(f"{stack.base_url}/sign-in")
    await page.get_by_label("Password").fill("seven green kites")
    await page.get_by_role("button", name="Show").click()
    # As it is sent, whatever becomes of it.
    await page.evaluate("document.addEventListener('submit', (event) => event.preventDefault())")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_label("Password")).to_have_attribute("type", "password")


async def test_without_scripts_there_is_no_button_that_would_show_a_password(browser: Browser, stack: Stack) -> None:
    async with await browser.new_context(java_script_enabled=False, base_url=stack.base_url, locale="en-GB") as context:
        plain = await context.new_page()
        await plain.goto("/sign-in")
        await expect(plain.get_by_label("Password")).to_be_visible()
        await expect(plain.get_by_role("button", name="Show")).to_be_hidden()

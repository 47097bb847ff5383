"""The profile in a real browser, with and without JavaScript: edit, review, save."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, expect

from deploy.local.stack import Stack
from tests.browser.walking import begin_session
from tests.builders import Json, an_email
from tests.e2e.portal import VENDOR_ADMIN, Visitor, a_company, join, vendor_admin_exists, visiting

GOLD = {"pin": "GOLD", "label": "Gold support", "instructions": "Call the depot first."}
STANDARD = {"pin": "STD", "label": "Standard support"}


@dataclass(frozen=True)
class Customer:
    """A company and its administrator, whose profile is not complete yet."""

    vendor: Visitor
    company: Json
    admin: Visitor

    async def assign(self, *pins: Json) -> None:
        path = f"/vendor/companies/{self.company['id']}/pins"
        version = (await self.vendor.get(path))["version"]
        await self.vendor.put(path, {"pins": list(pins)}, headers={"If-Match": f'"{version}"'})


@asynccontextmanager
async def a_customer(stack: Stack) -> AsyncIterator[Customer]:
    await vendor_admin_exists(stack)
    async with visiting(stack, VENDOR_ADMIN) as vendor, visiting(stack, an_email()) as admin:
        await vendor.sign_in()
        company = await a_company(vendor)
        invited = {"invitations": [{"email": admin.email, "role": "company_admin"}]}
        await vendor.post(f"/vendor/companies/{company['id']}/invitations", invited)
        await join(stack, admin)
        await admin.sign_in()
        yield Customer(vendor, company, admin)


@pytest.fixture(scope="module")
async def customer(stack: Stack) -> AsyncIterator[Customer]:
    """For tests that save nothing and assign no PIN."""
    async with a_customer(stack) as shared:
        yield shared


@pytest.fixture
async def own_customer(stack: Stack) -> AsyncIterator[Customer]:
    """For a test that saves the profile, or the choice of notices."""
    async with a_customer(stack) as own:
        yield own


@asynccontextmanager
async def at_the_profile(browser: Browser, stack: Stack, customer: Customer, **options: Any) -> AsyncIterator[Page]:
    async with await browser.new_context(base_url=stack.base_url, locale="en-GB", **options) as context:
        context.set_default_timeout(30_000)
        page = await context.new_page()
        await begin_session(page, stack, customer.admin.email)
        await page.goto("/profile")
        await expect(page.locator("h1")).to_have_text("My profile")
        yield page


@asynccontextmanager
async def with_scripts(browser: Browser, stack: Stack, customer: Customer) -> AsyncIterator[Page]:
    """A browser whose console stays empty."""
    async with at_the_profile(browser, stack, customer) as page:
        faults: list[str] = []

        def note(message: ConsoleMessage) -> None:
            # The browser notes a refused form by itself.
            if message.type in {"error", "warning"} and "status of 422" not in message.text:
                faults.append(message.text)

        page.on("console", note)
        page.on("pageerror", lambda error: faults.append(str(error)))
        yield page
        assert faults == []


@pytest.fixture
async def scripted(browser: Browser, stack: Stack, customer: Customer) -> AsyncIterator[Page]:
    async with with_scripts(browser, stack, customer) as page:
        yield page


@pytest.fixture
async def own_scripted(browser: Browser, stack: Stack, own_customer: Customer) -> AsyncIterator[Page]:
    """As `scripted`, before a profile that is the test's own."""
    async with with_scripts(browser, stack, own_customer) as page:
        yield page


@pytest.fixture
async def plain(browser: Browser, stack: Stack, customer: Customer) -> AsyncIterator[Page]:
    """A browser that runs no scripts."""
    async with at_the_profile(browser, stack, customer, java_script_enabled=False) as page:
        yield page


@pytest.fixture
async def own_plain(browser: Browser, stack: Stack, own_customer: Customer) -> AsyncIterator[Page]:
    """As `plain`, before a profile that is the test's own."""
    async with at_the_profile(browser, stack, own_customer, java_script_enabled=False) as page:
        yield page


def field(page: Page, name: str) -> Locator:
    return page.locator(f"#f-{name}")


def view(page: Page) -> Locator:
    return page.get_by_role("button", name="View profile")


async def fill_in(page: Page, *, phone: str = "+33 4 72 00 00 00") -> None:
    texts = {"phone": phone, "address_line_1": "1 rue de la Paix", "postal_code": "69001", "city": "Lyon"}
    for name, text in texts.items():
        await field(page, name).fill(text)
    await field(page, "country").select_option("FR")
    await field(page, "time_zone").select_option("Europe/Paris")


async def test_an_incomplete_profile_is_not_sent_and_the_page_says_what_is_missing(
    scripted: Page, customer: Customer
) -> None:
    status = scripted.locator("#complete")
    await expect(view(scripted)).to_be_disabled()
    await expect(status).to_have_text("Still to fill in: Phone, Address, Postal code, City, Country.")
    await expect(view(scripted)).to_have_accessible_description(re.compile("Still to fill in: Phone"))
    await fill_in(scripted)
    await expect(view(scripted)).to_be_enabled()
    await expect(status).to_be_empty()
    # A required field is emptied again; blanks are nothing.
    await field(scripted, "city").fill("  ")
    await expect(view(scripted)).to_be_disabled()
    await expect(status).to_have_text("Still to fill in: City.")
    await field(scripted, "city").press("Enter")
    assert (await customer.admin.get("/profile"))["city"] == ""
    await expect(scripted.locator("h1")).to_have_text("My profile")


async def test_a_wrong_field_is_named_and_marked_once_it_is_left(scripted: Page) -> None:
    await fill_in(scripted)
    phone, email = field(scripted, "phone"), field(scripted, "email")
    await phone.fill("0472")
    await email.fill("ana")
    await expect(scripted.locator("#complete")).to_have_text("Please check: Contact e-mail, Phone.")
    await expect(view(scripted)).to_be_disabled()
    await email.blur()
    await expect(email).to_have_attribute("aria-invalid", "true")
    await email.fill("ana@example.com")
    await phone.fill("+33 472000000")
    await phone.blur()
    await expect(phone).not_to_have_attribute("aria-invalid", "true")
    await expect(view(scripted)).to_be_enabled()


async def test_the_review_shows_everything_as_it_will_be_saved(own_scripted: Page, own_customer: Customer) -> None:
    await fill_in(own_scripted, phone="+33 (0)4 72 00-00-00 poste 12")
    await view(own_scripted).click()
    await expect(own_scripted.locator("h1")).to_have_text("View profile")
    shown = own_scripted.locator("dl")
    phone = ("+33 4 72 00 00 00 ext. 12", "You typed +33 (0)4 72 00-00-00 poste 12")
    for text in (*phone, "France", "Paris (Europe)", "English"):
        await expect(shown).to_contain_text(text)
    assert (await own_customer.admin.get("/profile"))["phone"] == ""
    await own_scripted.get_by_role("button", name="Back to editing").click()
    await expect(field(own_scripted, "phone")).to_have_value("+33 4 72 00 00 00 ext. 12")
    await field(own_scripted, "city").fill("Nantes")
    await view(own_scripted).click()
    await expect(shown).not_to_contain_text("You typed")
    await own_scripted.get_by_role("button", name="Save").click()
    await expect(own_scripted.get_by_role("status").first).to_have_text("Your profile is saved.")
    saved = await own_customer.admin.get("/profile")
    assert (saved["phone"], saved["city"], saved["missing"]) == ("+33472000000;ext=12", "Nantes", [])


async def test_without_scripts_the_button_works_and_the_fields_say_what_is_missing(
    own_plain: Page, own_customer: Customer
) -> None:
    await field(own_plain, "phone").fill("0472")
    await field(own_plain, "city").fill("Lyon")
    async with own_plain.expect_response(lambda answer: answer.request.method == "POST") as answered:
        await view(own_plain).click()
    assert (await answered.value).status == 422
    await expect(own_plain.locator("#errors")).to_be_focused()
    await expect(field(own_plain, "phone")).to_have_value("0472")
    await expect(field(own_plain, "phone")).to_have_accessible_description(re.compile("country code"))
    for name in ("phone", "address_line_1", "postal_code", "country"):
        await expect(field(own_plain, name)).to_have_attribute("aria-invalid", "true")
    await expect(field(own_plain, "city")).to_have_value("Lyon")
    await expect(field(own_plain, "city")).not_to_have_attribute("aria-invalid", "true")
    await fill_in(own_plain)
    await view(own_plain).click()
    await own_plain.get_by_role("button", name="Save").click()
    await expect(own_plain.get_by_role("status").first).to_have_text("Your profile is saved.")
    assert (await own_customer.admin.get("/profile"))["missing"] == []


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_an_address_and_a_number_are_taken_as_they_were_copied(
    browser: Browser, stack: Stack, customer: Customer, *, scripts: bool
) -> None:
    async with at_the_profile(browser, stack, customer, java_script_enabled=scripts) as page:
        await fill_in(page, phone="00 33 4 72 00 00 00 x12")
        await field(page, "email").fill("Jörg Díaz <JÖRG@Firma.local>")
        await view(page).click()
        shown = page.locator("dl")
        for text in ("jörg@firma.local", "+33 4 72 00 00 00 ext. 12"):
            await expect(shown).to_contain_text(text)


async def test_a_field_that_the_portal_refused_stays_marked_until_it_is_sent_again(scripted: Page) -> None:
    # Digits enough for the page, too many for any country: the portal has the last word.
    await fill_in(scripted, phone="+33 4 72 00 00 00 00 00 00")
    await view(scripted).click()
    phone = field(scripted, "phone")
    await expect(phone).to_have_attribute("aria-invalid", "true")
    await expect(scripted.locator("#errors")).to_be_focused()
    await phone.fill("+33472000000")
    await phone.blur()
    await expect(view(scripted)).to_be_enabled()
    await view(scripted).click()
    await expect(scripted.locator("h1")).to_have_text("View profile")


async def test_without_pins_the_page_says_whom_to_call(plain: Page) -> None:
    await expect(plain.locator("#pin")).to_contain_text("call your account manager")
    await expect(field(plain, "pin")).to_have_count(0)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_pin_is_chosen_with_its_warning_and_shown_as_gone_when_it_was_taken_away(
    browser: Browser, stack: Stack, own_customer: Customer, *, scripts: bool
) -> None:
    await own_customer.assign(GOLD, STANDARD)
    async with at_the_profile(browser, stack, own_customer, java_script_enabled=scripts) as page:
        await fill_in(page)
        pin = field(page, "pin")
        await expect(pin).to_have_accessible_description("A wrong PIN delays the case.")
        assert "depot" not in await page.content()
        await pin.select_option("GOLD")
        await view(page).click()
        await expect(page.locator("dd", has_text="GOLD · Gold support")).to_be_visible()
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("status").first).to_have_text("Your profile is saved.")
        assert (await own_customer.admin.get("/profile"))["pin"] == "GOLD"

        await own_customer.assign(STANDARD)
        await page.goto("/profile")
        await expect(page.locator("#pin .notice")).to_contain_text("GOLD is no longer assigned")
        await expect(pin).to_have_value("GOLD")
        await field(page, "job_title").fill("Head of printing")
        await view(page).click()
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("status").first).to_have_text("Your profile is saved.")
        saved = await own_customer.admin.get("/profile")
        assert (saved["pin"], saved["job_title"]) == ("GOLD", "Head of printing")


async def test_whoever_came_from_a_page_goes_back_to_it_when_the_profile_is_saved(own_plain: Page) -> None:
    await own_plain.goto("/profile?next=/cases/new%3Fq%3DRX42")
    await fill_in(own_plain)
    await view(own_plain).click()
    await own_plain.get_by_role("button", name="Back to editing").click()
    await view(own_plain).click()
    await own_plain.get_by_role("button", name="Save").click()
    await expect(own_plain).to_have_url(re.compile(r"/cases/new\?q=RX42$"))


async def test_on_a_phone_the_button_of_the_profile_stays_in_reach(scripted: Page) -> None:
    await scripted.set_viewport_size({"width": 360, "height": 740})
    await expect(view(scripted)).to_be_in_viewport()
    # And covers no field that has the focus.
    await field(scripted, "postal_code").focus()
    covered, button = await field(scripted, "postal_code").bounding_box(), await view(scripted).bounding_box()
    assert covered is not None
    assert button is not None
    assert covered["y"] + covered["height"] <= button["y"]


async def test_the_help_of_a_field_opens_by_keyboard_without_scripts(plain: Page) -> None:
    button = plain.locator("button[popovertarget='f-time_zone-help']")
    text = plain.locator("#f-time_zone-help")
    await expect(text).to_be_hidden()
    await button.focus()
    await plain.keyboard.press("Enter")
    await expect(text).to_be_visible()
    await plain.keyboard.press("Escape")
    await expect(text).to_be_hidden()


async def test_the_notices_are_saved_without_the_profile(own_plain: Page, own_customer: Customer) -> None:
    await field(own_plain, "city").fill("not sent")
    await own_plain.get_by_label("Decline e-mail notices").check()
    await own_plain.get_by_role("button", name="Save notices").click()
    # Said where the eye is: beside the button that was pressed, not at the head of the page.
    said = own_plain.locator("#notices").get_by_role("status")
    await expect(said).to_have_text("Your choice is saved. It holds from now on.")
    await expect(said).to_be_in_viewport()
    assert (await own_customer.admin.get("/notification-preferences"))["case_emails"] is False
    assert (await own_customer.admin.get("/profile"))["city"] == ""

"""Creating a case for somebody else in a real browser: by keyboard, on a phone, without scripts."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Page, expect

from deploy.local.stack import Stack
from tests.browser.walking import Customer, a_customer, begin_session, end_session, unfold
from tests.builders import Json, a_serial, an_email
from tests.e2e.portal import PASSWORD, VENDOR_ADMIN, Visitor, join, visiting

DESCRIPTION = "The printer jams on every second page since this morning."
LYON = "Lyon, Lyon"
TITLE = "Paper jam in tray 3"


@dataclass(frozen=True)
class World:
    """A company with its administrator Ana, and Luc, a member with a complete profile."""

    ana: Customer
    luc: Visitor
    luc_id: str
    company_name: str
    vera: Visitor


@pytest.fixture(scope="module")
async def world(stack: Stack) -> AsyncIterator[World]:
    async with visiting(stack, an_email()) as admin, visiting(stack, an_email("luc")) as luc:
        ana = await a_customer(stack, admin)
        await admin.post("/sites", {"name": "Lyon", **_address()})
        await admin.post("/invitations", {"invitations": [{"email": luc.email, "role": "member"}]})
        await join(stack, luc, first_name="Luc", last_name="Petit")
        session = (await (await luc.sign_in()).get("/session"))["user"]
        await luc.complete_profile(first_name="Luc", last_name="Petit", phone="+33472000007")
        async with visiting(stack, VENDOR_ADMIN) as vera:
            await vera.sign_in()
            yield World(ana, luc, session["id"], session["company_name"], vera)


def _address() -> Json:
    return {
        "company_name": "Acme SA",
        "address_line_1": "1 rue de la Paix",
        "city": "Lyon",
        "postal_code": "69001",
        "country": "FR",
    }


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
async def phone(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    """A phone's window, whether the browser runs scripts or not."""
    async with await browser.new_context(
        java_script_enabled=request.param, viewport={"width": 360, "height": 740}, locale="en-GB"
    ) as context:
        context.set_default_timeout(30_000)
        yield await context.new_page()


async def describe(page: Page, *, site: str = "") -> None:
    if site:
        await unfold(page, "Location")
        await page.get_by_label(re.compile("One of (our|the company’s) sites")).check()
        await page.get_by_label("Site", exact=True).select_option(label=site)
    await page.get_by_label("Title", exact=True).fill(TITLE)
    await page.get_by_role("radio", name="High").check()
    await page.get_by_label("Description", exact=True).fill(DESCRIPTION)


async def expect_luc_as_contact(page: Page, luc: Visitor) -> None:
    await expect(page.locator("[id='f-contact.first_name']")).to_have_value("Luc")
    await expect(page.locator("[id='f-contact.email']")).to_have_value(luc.email)
    await expect(page.locator("[id='f-contact.phone']")).to_have_value("+33 4 72 00 00 07")


async def expect_to_fit(page: Page) -> None:
    assert not await page.evaluate("document.documentElement.scrollWidth > window.innerWidth")


async def the_case(page: Page, visitor: Visitor) -> Json:
    await expect(page).to_have_url(re.compile(r"/cases/\d{10}/created$"))
    number = re.search(r"\d{10}", page.url)
    assert number is not None
    case: Json = await visitor.get(f"/cases/{number[0]}")
    return case


@pytest.mark.timeout(120)
async def test_an_agent_creates_a_case_for_a_user_of_a_company_on_a_phone(
    stack: Stack, world: World, phone: Page
) -> None:
    await begin_session(phone, stack, VENDOR_ADMIN)
    await phone.goto(f"{stack.base_url}/cases/new")
    await expect(phone.locator("h1")).to_have_text("Which company is the case for?")
    await expect_to_fit(phone)
    await phone.get_by_label("Name of the company").fill(world.company_name.upper())
    await phone.get_by_label("Name of the company").press("Enter")
    await phone.get_by_role("link", name=world.company_name).click()
    await expect(phone.locator("h1")).to_have_text("Whom is the case for?")
    await phone.get_by_label("Name or e-mail address").fill("luc")
    await phone.get_by_label("Name or e-mail address").press("Enter")
    await expect_to_fit(phone)
    await phone.get_by_role("link", name="Luc Petit").click()
    await phone.get_by_label("Serial number, contract (SAID) or product name").fill(world.ana.serial.lower())
    await phone.get_by_role("button", name="Continue").click()
    await expect(phone.get_by_text("For Luc Petit")).to_be_visible()
    await expect(phone.get_by_text("LaserPress 600")).to_be_visible()
    await expect_luc_as_contact(phone, world.luc)
    await expect_to_fit(phone)
    await phone.reload()
    await expect_luc_as_contact(phone, world.luc)
    await describe(phone, site=LYON)
    await phone.get_by_role("button", name="Submit the case").click()
    case = await the_case(phone, world.luc)
    await expect(phone.locator("h1")).to_have_text("The case for Luc Petit is created")
    facts = phone.locator("#details")
    await expect(facts).to_contain_text(f"Luc Petit, {world.company_name}")
    assert (case["submitter"]["user_id"], case["company_name"]) == (world.luc_id, world.company_name)
    assert (case["site_name"], case["contact"]["user_id"]) == ("Lyon", world.luc_id)
    vendor = (await world.vera.get("/session"))["user"]
    assert case["created_by"]["user_id"] == case["history"][0]["by"]["user_id"] == vendor["id"]
    await expect(facts).to_contain_text(vendor["name"])
    await end_session(phone, stack)


@pytest.mark.timeout(120)
async def test_an_administrator_creates_a_case_for_a_colleague_by_keyboard(
    stack: Stack, world: World, page: Page
) -> None:
    await begin_session(page, stack, world.ana.admin.email)
    await page.goto(f"{stack.base_url}/cases/new?serial={world.ana.serial}")
    await expect(page.get_by_text("For yourself")).to_be_visible()
    await page.get_by_role("link", name="For a colleague").press("Enter")
    await page.get_by_label("Name or e-mail address").press_sequentially("petit")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="Ana Duarte")).to_have_count(0)
    await page.get_by_role("link", name="Luc Petit").press("Enter")
    await expect_luc_as_contact(page, world.luc)
    await describe(page, site=LYON)
    await page.get_by_role("button", name="Submit the case").press("Enter")
    case = await the_case(page, world.ana.admin)
    assert (case["submitter"]["name"], case["created_by"]["name"]) == ("Luc Petit", "Ana Duarte")
    await expect(page.get_by_role("link", name="Create another for Luc Petit")).to_be_visible()
    await end_session(page, stack)


async def until_draft_is_kept(page: Page) -> None:
    await page.wait_for_function(
        "text => Object.values(localStorage).some(value => value.includes(text))", arg=DESCRIPTION
    )


async def test_choosing_somebody_else_keeps_what_was_typed_but_not_whom_to_call(
    stack: Stack, world: World, page: Page
) -> None:
    await begin_session(page, stack, world.ana.admin.email)
    await page.goto(f"{stack.base_url}/cases/new?serial={a_serial()}")
    await unfold(page, "Contact")
    await page.locator("[id='f-contact.phone']").fill("+33 4 99 99 99 99")
    await describe(page, site=LYON)
    await until_draft_is_kept(page)
    key = await page.locator("input[name=idempotency_key]").first.input_value()
    await page.get_by_role("link", name="For a colleague").click()
    await page.get_by_role("link", name="Luc Petit").click()
    await expect(page.get_by_text("Your draft has been restored.")).to_be_visible()
    await expect(page.get_by_label("Title", exact=True)).to_have_value(TITLE)
    await expect(page.get_by_label("Description", exact=True)).to_have_value(DESCRIPTION)
    await expect_luc_as_contact(page, world.luc)
    assert await page.locator("input[name=idempotency_key]").first.input_value() != key
    await page.get_by_role("button", name="Submit the case").click()
    assert (await the_case(page, world.ana.admin))["submitter"]["name"] == "Luc Petit"
    await end_session(page, stack)


async def test_a_draft_for_one_company_is_not_shown_for_another(stack: Stack, world: World, page: Page) -> None:
    serial = a_serial()
    async with visiting(stack, an_email()) as other:
        await a_customer(stack, other)
        somebody = (await other.get("/session"))["user"]["id"]
    await begin_session(page, stack, VENDOR_ADMIN)
    await page.goto(f"{stack.base_url}/cases/new?serial={serial}&submitter_id={world.luc_id}")
    await describe(page)
    await until_draft_is_kept(page)
    await page.goto(f"{stack.base_url}/cases/new?serial={serial}&submitter_id={somebody}")
    await expect(page.get_by_label("Title", exact=True)).to_have_value("")
    await page.goto(f"{stack.base_url}/cases/new?serial={serial}&submitter_id={world.luc_id}")
    await expect(page.get_by_label("Title", exact=True)).to_have_value(TITLE)
    await end_session(page, stack)


async def test_a_form_that_outlived_its_session_says_for_whom_it_is(stack: Stack, world: World, page: Page) -> None:
    await begin_session(page, stack, world.ana.admin.email)
    await page.goto(f"{stack.base_url}/cases/new?serial={a_serial()}&submitter_id={world.luc_id}")
    await describe(page, site=LYON)
    await page.context.clear_cookies()
    await page.get_by_role("button", name="Submit the case").click()
    await page.locator("input[name=email]").fill(world.ana.admin.email)
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.locator("main form button.primary").click()
    await expect(page.locator("h1")).to_have_text("Your form was not sent")
    await expect(page.locator("main dl")).to_contain_text("Luc Petit")
    await page.get_by_role("button", name="Send it again").click()
    assert (await the_case(page, world.ana.admin))["submitter"]["name"] == "Luc Petit"
    await end_session(page, stack)

"""The main job as a customer does it in a browser: from the invitation e-mail to the e-mail about the closed case."""

import re
import secrets
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Request, expect

from deploy.local.stack import Stack
from shared.mongo import connect
from tests.browser.walking import unfold
from tests.builders import a_serial, an_email
from tests.e2e.portal import (
    PASSWORD,
    VENDOR_ADMIN,
    Visitor,
    a_company,
    link_in,
    mail_for,
    mails_to,
    until_true,
    vendor_admin_exists,
    visiting,
)


@pytest.fixture
async def vera(stack: Stack) -> AsyncIterator[Visitor]:
    """The vendor's admin, who also answers cases; over the API."""
    await vendor_admin_exists(stack)
    async with visiting(stack, VENDOR_ADMIN) as visitor:
        yield await visitor.sign_in()


async def a_covered_device(vera: Visitor, company_id: str) -> str:
    serial, product_number = a_serial(), f"LP{secrets.token_hex(4)}"
    await vera.post("/vendor/products", {"product_number": product_number, "name": "LaserPress 600"})
    device = {"serial": serial, "product_number": product_number, "company_id": company_id}
    await vera.post("/vendor/devices", device)
    contract = {
        "kind": "service_contract",
        "said": f"SA-{secrets.token_hex(4)}",
        "company_id": company_id,
        "level": "Next business day",
        "start": "2026-01-01",
        "end": "2099-12-31",
        "serials": [serial],
    }
    await vera.post("/vendor/agreements", contract)
    return serial


async def submit(page: Page, base_url: str, serial: str, *, title: str) -> str:
    """From the start page to the confirmation; answers the number."""
    await page.goto(base_url)
    await page.get_by_label("Serial number, contract (SAID) or product name").fill(serial)
    await page.locator("main").get_by_role("button").first.click()
    await expect(page.get_by_text("Covered until 31 Dec 2099")).to_be_visible()
    # Prefilled from the profile.
    await expect(page.get_by_label("First name").first).to_have_value("Ana")
    await page.get_by_label("Title").fill(title)
    await page.get_by_label("Description").fill("The printer jams on every second page since this morning.")
    await page.get_by_role("radio", name="High").check()
    await unfold(page, "Location")
    await page.get_by_label("One of our sites").check()
    await expect(page.get_by_label("Site", exact=True)).to_contain_text("Lyon")
    await page.get_by_label("Site", exact=True).select_option(index=1)
    await page.get_by_role("button", name="Submit the case").click()
    await expect(page).to_have_url(re.compile(r"/cases/\d{10}/created"))
    number = re.search(r"\d{10}", page.url)
    assert number is not None
    await expect(page.get_by_text(number[0]).first).to_be_visible()
    return number[0]


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
async def page(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    """The same path, whether the browser runs scripts or not."""
    async with await browser.new_context(
        java_script_enabled=request.param, viewport={"width": 1280, "height": 900}, locale="en-GB"
    ) as context:
        context.set_default_timeout(30_000)
        yield await context.new_page()


@pytest.mark.timeout(180)
async def test_a_customer_joins_submits_follows_and_hears_of_a_case(  # noqa: PLR0915  # one story
    stack: Stack, page: Page, vera: Visitor
) -> None:
    errors: list[str] = []
    elsewhere: list[str] = []

    def note_error(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(message.text)

    def note_request(request: Request) -> None:
        if not request.url.startswith((stack.base_url, "data:")):
            elsewhere.append(request.url)

    page.on("console", note_error)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", note_request)

    company = await a_company(vera)
    serial = await a_covered_device(vera, company["id"])
    email = an_email()
    invited = {"invitations": [{"email": email, "role": "company_admin"}]}
    await vera.post(f"/vendor/companies/{company['id']}/invitations", invited)

    # The invitation, the code, the first sign-in.
    code = link_in(await mail_for(stack, email, about="invit"), "invitations")
    await page.goto(f"{stack.base_url}/invitations/{code}")
    await expect(page.get_by_role("heading", level=1)).to_contain_text(company["name"])
    await page.get_by_label("First name").fill("Ana")
    await page.get_by_label("Last name").fill("Duarte")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Accept the invitation").click()
    typed = re.search(r"\b\d{6}\b", (await mail_for(stack, email, about="verif"))["text"])
    assert typed is not None
    await page.get_by_label("Code from the e-mail").fill(typed[0])
    await page.get_by_role("button", name="Verify").click()
    await page.goto(f"{stack.base_url}/sign-in")
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_url(f"{stack.base_url}/")

    # The profile, with its review, and a site.
    await page.goto(f"{stack.base_url}/profile")
    await page.get_by_label("Phone", exact=True).fill("+33 4 72 00 00 01")
    await page.get_by_label("Address", exact=True).fill("1 rue de la Paix")
    await page.get_by_label("City").fill("Lyon")
    await page.get_by_label("Postal code").fill("69001")
    await page.get_by_label("Country").select_option("FR")
    await page.get_by_role("button", name="View profile").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("View profile")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status").filter(has_text="Your profile is saved.")).to_be_visible()
    await page.goto(f"{stack.base_url}/sites")
    await page.get_by_role("link", name="Add a site").click()
    await page.get_by_label("Name of the site").fill("Lyon")
    await page.get_by_label("Address", exact=True).fill("1 rue de la Paix")
    await page.get_by_label("City").fill("Lyon")
    await page.get_by_label("Postal code").fill("69001")
    await page.get_by_label("Country").select_option("FR")
    await page.get_by_role("button", name="Add the site").click()
    await expect(page.get_by_role("cell", name="Lyon", exact=True)).to_be_visible()

    # The case, and the mail about it. A form waits three seconds for what cases does not know yet, the site.
    await until_true(lambda: _cases_knows_a_site(stack, company["id"]))
    title = f"Paper jam {secrets.token_hex(3)}"
    number = await submit(page, stack.base_url, serial, title=title)
    created = await mail_for(stack, email, about=number)
    assert f"{stack.base_url}/cases/{number}" in created["text"]

    # The vendor answers; the customer reads and comments; the vendor closes.
    taken = await vera.agent_act(number, action="take")
    await vera.agent_act(number, action="reply", text="Please send the event log.")
    await page.goto(f"{stack.base_url}/cases")
    await page.get_by_role("link", name=title).click()
    await expect(page.get_by_text("Please send the event log.")).to_be_visible()
    await page.get_by_label("Message", exact=True).fill("Here it is: 13.02.00.")
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator("#history").get_by_text("Here it is: 13.02.00.")).to_be_visible()
    now = await vera.get(f"/cases/{number}")
    assert now["version"] == taken["version"] + 2
    await vera.agent_act(number, action="close", version=now["version"], resolution="Replaced the roller.")
    assert "Replaced the roller." in (await mail_for(stack, email, about="closed"))["text"]
    await page.reload()
    await expect(page.get_by_text("Closed", exact=True).first).to_be_visible()

    # Declined: no mail, and the ledger says why. Accepted again: mail.
    await choose_notices(page, stack, "Decline e-mail notices")
    quiet = await submit(page, stack.base_url, serial, title="A quiet one")
    async with visiting(stack, email) as ana:
        await ana.sign_in()
        await until_true(lambda: _was_suppressed(ana, quiet))
    assert await mails_to(stack, email, about=quiet) == []
    await choose_notices(page, stack, "Accept e-mail notices")
    loud = await submit(page, stack.base_url, serial, title="A loud one")
    await mail_for(stack, email, about=loud)

    assert errors == []
    assert elsewhere == []


async def _cases_knows_a_site(stack: Stack, company_id: str) -> bool:
    db = connect(stack.environment["MONGO_URL"], "cases")
    try:
        return await db["site_copies"].count_documents({"company_id": UUID(company_id)}) > 0
    finally:
        await db.close()


async def choose_notices(page: Page, stack: Stack, choice: str) -> None:
    await page.goto(f"{stack.base_url}/profile#notices")
    await page.get_by_label(choice).check()
    await page.get_by_role("button", name="Save notices").click()
    await expect(page.get_by_role("status").filter(has_text="Your choice is saved.")).to_be_visible()
    await expect(page.get_by_label(choice)).to_be_checked()


async def _was_suppressed(ana: Visitor, number: str) -> bool:
    rows = (await ana.get("/deliveries"))["items"]
    return [row["reason"] for row in rows if row["case_number"] == number] == ["opted_out"]

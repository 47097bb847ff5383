"""The portal's pages in a real browser without JavaScript, against the whole stack."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from deploy.local.stack import Stack
from tests.browser.walking import Customer, a_customer, begin_session, unfold
from tests.builders import Json, an_email
from tests.e2e.portal import PASSWORD, VENDOR_ADMIN, visiting

FIRST_PAGE_BYTES = 100_000


@pytest.fixture(scope="module")
async def customer(stack: Stack) -> AsyncIterator[Customer]:
    async with visiting(stack, an_email()) as admin:
        yield await a_customer(stack, admin)


@pytest.fixture
async def plain(browser: Browser, stack: Stack) -> AsyncIterator[Page]:
    """A page of a browser that runs no scripts."""
    async with await browser.new_context(
        java_script_enabled=False, base_url=stack.base_url, viewport={"width": 360, "height": 740}
    ) as context:
        context.set_default_timeout(30_000)
        yield await context.new_page()


@pytest.fixture
async def signed_in(plain: Page, stack: Stack, customer: Customer) -> Page:
    """Of the customer's administrator; no page is open yet."""
    await begin_session(plain, stack, customer.admin.email)
    return plain


async def sign_in(page: Page, email: str, *, path: str = "/sign-in") -> None:
    await page.goto(path)
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()


async def describe_problem(page: Page, *, title: str = "Paper jam in tray 3") -> None:
    await page.get_by_label("Title").fill(title)
    await page.get_by_label("Description").fill("The printer jams on every second page since this morning.")
    await page.get_by_role("radio", name="High").check()


def summary(page: Page) -> Locator:
    return page.locator("#errors")


async def test_signing_in_leads_back_to_the_wanted_page(plain: Page, customer: Customer) -> None:
    await sign_in(plain, customer.admin.email, path="/cases?view=submitted")
    await expect(plain).to_have_url(re.compile(r"/cases\?view=submitted$"))


async def test_signing_in_never_leads_to_another_site(plain: Page, stack: Stack, customer: Customer) -> None:
    await sign_in(plain, customer.admin.email, path="/sign-in?next=//example.org/")
    await expect(plain).to_have_url(f"{stack.base_url}/")


async def test_a_wrong_password_keeps_the_address_and_says_so(plain: Page, customer: Customer) -> None:
    await plain.goto("/sign-in")
    await plain.get_by_label("E-mail address").fill(customer.admin.email)
    await plain.get_by_label("Password").fill("not the password")
    await plain.get_by_role("button", name="Sign in").click()
    await expect(summary(plain)).to_contain_text("password")
    await expect(summary(plain)).to_be_focused()
    await expect(plain.get_by_label("E-mail address")).to_have_value(customer.admin.email)
    await expect(plain.get_by_label("Password")).to_have_value("")


async def test_errors_stand_at_the_fields_and_nothing_typed_is_lost(signed_in: Page, customer: Customer) -> None:
    await signed_in.goto(f"/cases/new?serial={customer.serial}")
    await signed_in.get_by_label("Description").fill("too short")
    await unfold(signed_in, "Contact")
    await signed_in.get_by_label("Phone").first.fill("0472")
    await signed_in.locator("summary", has_text="Contact").first.click()
    await signed_in.get_by_role("button", name="Submit the case").click()
    await expect(summary(signed_in)).to_be_focused()
    # What is wrong is not folded away, and what leads there shows its label.
    await expect(signed_in.locator("#f-contact\\.phone")).to_be_visible()
    await summary(signed_in).get_by_role("link", name="Contact: Phone").click()
    assert await signed_in.locator("[id='f-contact.phone-label']").evaluate(
        "label => label.getBoundingClientRect().top >= document.querySelector('header').firstElementChild.offsetHeight"
    )
    title, description = signed_in.get_by_label("Title"), signed_in.get_by_label("Description")
    await expect(title).to_have_attribute("aria-invalid", "true")
    await expect(title).to_have_accessible_description(re.compile("Enter a title."))
    await expect(description).to_have_value("too short")
    await expect(description).to_have_accessible_description(re.compile("at least 20 characters"))
    await expect(signed_in.locator("#f-contact\\.phone")).to_have_value("0472")


async def test_a_form_sent_twice_makes_one_case(signed_in: Page, customer: Customer) -> None:
    await signed_in.goto(f"/cases/new?serial={customer.serial}")
    title = f"Sent twice {secrets.token_hex(4)}"
    await describe_problem(signed_in, title=title)
    # A double click: the same form leaves twice, before either is answered.
    fields = await signed_in.evaluate(
        "Object.fromEntries(new FormData(document.querySelector('form[action=\"/cases\"]')))"
    )
    answers = await asyncio.gather(*(signed_in.request.post("/cases", form=fields, max_redirects=0) for _ in range(2)))
    assert [answer.status for answer in answers] == [303, 303]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    found = await customer.admin.get("/cases", q=title)
    assert found["total"] == 1


async def test_a_stale_change_shows_the_current_state_and_keeps_what_was_typed(
    signed_in: Page, customer: Customer
) -> None:
    case = await customer.admin.submit(serial=customer.serial)
    await signed_in.goto(f"/cases/{case['number']}")
    await signed_in.locator("summary", has_text="Update this case").click()
    await signed_in.get_by_role("link", name="Close the case", exact=True).click()
    await signed_in.locator("#close-reason").fill("It works again.")
    await signed_in.locator("#close-resolved").get_by_label("Yes").check()
    await customer.admin.act(case["number"], action="change_severity", version=case["version"], severity=1)
    await signed_in.get_by_role("button", name="Close the case").click()
    await expect(summary(signed_in)).to_contain_text("Somebody changed this case")
    await expect(summary(signed_in)).to_contain_text("changed the severity from Normal to Critical")
    await expect(signed_in.locator("#close-reason")).to_have_value("It works again.")
    await signed_in.get_by_role("button", name="Close the case").click()
    await expect(signed_in.get_by_text("The case is closed.")).to_be_visible()


async def test_texts_of_people_are_never_markup(signed_in: Page, customer: Customer) -> None:
    text = "<img src=x onerror=alert(1)>\"'{{ 7 * 7 }}"
    case = await customer.admin.submit(serial=customer.serial, title=text)
    await customer.admin.act(case["number"], action="comment", text=text)
    await signed_in.goto(f"/cases/{case['number']}")
    await expect(signed_in.locator("h1")).to_have_text(text)
    await expect(signed_in.locator("#newest .prose")).to_have_text(text)
    assert await signed_in.locator("main img").count() == 0


async def test_a_strangers_case_is_a_page_that_is_not_there(plain: Page, stack: Stack, customer: Customer) -> None:
    case = await customer.admin.submit(serial=customer.serial)
    async with visiting(stack, an_email()) as stranger:
        await a_customer(stack, stranger)
        await begin_session(plain, stack, stranger.email)
    for path in (f"/cases/{case['number']}", f"/cases/{case['number']}/created"):
        answer = await plain.goto(path)
        assert answer is not None
        assert answer.status == 404
        await expect(plain.locator("h1")).to_have_text("Page not found")
        assert case["title"] not in await plain.content()


async def test_a_mistyped_case_number_says_check_the_number(signed_in: Page) -> None:
    await signed_in.goto("/find?q=1000+0000+99")
    await expect(signed_in.locator("main")).to_contain_text("Please check the case number: it seems to be mistyped.")


async def test_a_form_without_the_sessions_token_changes_nothing(signed_in: Page, customer: Customer) -> None:
    case = await customer.admin.submit(serial=customer.serial)
    form: dict[str, str | float | bool] = {"action": "comment", "text": "forged", "csrf_token": "0" * 64}
    answer = await signed_in.request.post(f"/cases/{case['number']}", form=form)
    assert answer.status == 403
    after = await customer.admin.get(f"/cases/{case['number']}")
    assert [entry["kind"] for entry in after["history"]] == ["created"]


async def test_a_form_of_another_site_does_not_sign_anybody_in(plain: Page, customer: Customer) -> None:
    form: dict[str, str | float | bool] = {"email": customer.admin.email, "password": PASSWORD}
    answer = await plain.request.post("/sign-in", form=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403
    assert "set-cookie" not in answer.headers


async def test_a_press_anywhere_on_what_waits_opens_the_case_at_its_newest_entry(
    signed_in: Page, stack: Stack, customer: Customer
) -> None:
    number = (await customer.admin.submit(serial=customer.serial))["number"]
    async with visiting(stack, VENDOR_ADMIN) as vera:
        await vera.sign_in()
        await vera.agent_act(number, action="take")
        asked = await vera.agent_act(number, action="reply", text="Which firmware does it have?")
        await vera.agent_act(number, action="set_status", version=asked["version"], status="waiting_customer")
    await signed_in.goto("/")
    waits = signed_in.get_by_role("region", name="waiting for you").get_by_role("listitem")
    box = await waits.filter(has_text="“Which firmware does it have?”").locator(".quote").bounding_box()
    assert box is not None
    await signed_in.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await expect(signed_in).to_have_url(f"{stack.base_url}/cases/{number}#newest")


async def test_signing_out_ends_the_session(signed_in: Page) -> None:
    await signed_in.goto("/")
    await signed_in.get_by_role("button", name="Menu").click()
    await signed_in.locator("summary", has_text="Ana Duarte").click()
    await signed_in.get_by_role("button", name="Sign out").click()
    await expect(signed_in.locator("h1")).to_have_text("What can we help you with?")
    await signed_in.goto("/cases")
    await expect(signed_in.locator("h1")).to_have_text("Sign in")


async def test_declining_notices_holds_and_a_profile_is_reviewed_before_it_is_saved(
    signed_in: Page, customer: Customer
) -> None:
    await signed_in.goto("/profile")
    await signed_in.get_by_label("Decline e-mail notices").check()
    await signed_in.get_by_role("button", name="Save notices").click()
    told = signed_in.get_by_role("region", name="E-mail notices").get_by_role("status")
    await expect(told).to_have_text("Your choice is saved. It holds from now on.")
    await expect(told).to_be_in_viewport()
    await expect(signed_in.get_by_label("Decline e-mail notices")).to_be_checked()
    assert (await customer.admin.get("/notification-preferences"))["case_emails"] is False
    await signed_in.get_by_label("Job title").fill("Head of printing")
    await signed_in.get_by_role("button", name="View profile").click()
    assert (await customer.admin.get("/profile"))["job_title"] == ""
    await expect(signed_in.locator("dd", has_text="Head of printing")).to_be_visible()
    await signed_in.get_by_role("button", name="Save").click()
    await expect(signed_in.get_by_role("status").first).to_have_text("Your profile is saved.")
    assert (await customer.admin.get("/profile"))["job_title"] == "Head of printing"


@pytest.mark.parametrize(("name", "ending"), [("Export to Excel", ".xlsx"), ("Export as CSV", ".csv")])
async def test_the_list_is_exported_with_its_filters(
    signed_in: Page, customer: Customer, name: str, ending: str
) -> None:
    await customer.admin.submit(serial=customer.serial)
    await signed_in.goto("/cases?status=open")
    async with signed_in.expect_download() as download:
        await signed_in.get_by_role("link", name=name).click()
    assert (await download.value).suggested_filename.endswith(ending)


async def test_every_page_fits_a_narrow_screen_with_one_heading_and_no_foreign_request(
    signed_in: Page, stack: Stack, customer: Customer
) -> None:
    case: Json = await customer.admin.submit(serial=customer.serial, title="W" * 100)
    asked: list[str] = []
    signed_in.on("request", lambda request: asked.append(request.url))
    number = case["number"]
    new = f"/cases/new?serial={customer.serial}"
    for path in ("/", "/cases", f"/cases/{number}", f"/cases/{number}/created", new, "/profile", "/sites", "/users"):
        answer = await signed_in.goto(path)
        assert answer is not None
        assert answer.ok, path
        assert await signed_in.locator("h1").count() == 1, path
        # Scripts of the test run even where those of the page may not.
        widths = await signed_in.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert widths[0] <= widths[1], path
        unlabelled = await signed_in.evaluate(
            "[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]"
            ".filter(field => !field.labels.length).map(field => field.name)"
        )
        assert unlabelled == [], path
    assert [url for url in asked if not url.startswith(stack.base_url)] == []


async def test_the_first_page_is_small_and_its_policy_strict(plain: Page) -> None:
    answer = await plain.goto("/")
    assert answer is not None
    urls = [
        answer.url,
        *await plain.locator("link, script").evaluate_all("all => all.map(each => each.href || each.src)"),
    ]
    sizes = [len(await (await plain.request.get(url)).body()) for url in urls]
    assert len(sizes) == 5
    assert sum(sizes) <= FIRST_PAGE_BYTES
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_while_cases_is_unavailable_other_pages_work_and_the_form_comes_back(
    signed_in: Page, stack: Stack, customer: Customer
) -> None:
    await signed_in.goto(f"/cases/new?serial={customer.serial}")
    await describe_problem(signed_in)
    stack.kill("cases")
    try:
        await signed_in.get_by_role("button", name="Submit the case").click()
        await expect(summary(signed_in)).to_contain_text("cannot be reached")
        await expect(signed_in.get_by_label("Title")).to_have_value("Paper jam in tray 3")
        start = await signed_in.goto("/")
        assert start is not None
        assert start.ok
        await expect(signed_in.locator(".notice.warn").first).to_contain_text("try again")
        answer = await signed_in.goto("/cases")
        assert answer is not None
        assert answer.status == 503
        await expect(signed_in.get_by_role("link", name="Try again")).to_be_visible()
    finally:
        await stack.restart("cases")
    await signed_in.get_by_role("link", name="Try again").click()
    await expect(signed_in.locator("h1")).to_contain_text("Cases")


async def test_a_case_can_be_created_while_contracts_is_unavailable(
    signed_in: Page, stack: Stack, customer: Customer
) -> None:
    stack.kill("contracts")
    try:
        await signed_in.goto(f"/cases/new?serial={customer.serial}")
        await expect(signed_in.get_by_text("Coverage cannot be checked just now")).to_be_visible()
        await describe_problem(signed_in)
        await asyncio.gather(
            signed_in.wait_for_url("**/created"), signed_in.get_by_role("button", name="Submit the case").click()
        )
    finally:
        await stack.restart("contracts")

"""The case form in a real browser: drafts, files, double clicks, and all of it without scripts."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect

from deploy.local.stack import Stack
from tests.browser.walking import begin_session, end_session, sign_in, unfold
from tests.builders import Json, a_serial, an_email
from tests.e2e.portal import VENDOR_ADMIN, Visitor, a_company, join, vendor_admin_exists, visiting

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
CREATED = re.compile(r"/cases/\d{10}/created$")
DESCRIPTION = "The printer jams on every second page since this morning."


def a_file(name: str, content: bytes = PNG) -> dict[str, str | bytes]:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


@pytest.fixture(scope="module")
async def ana(stack: Stack) -> AsyncIterator[Visitor]:
    """An administrator whose company has a PIN."""
    await vendor_admin_exists(stack)
    async with visiting(stack, an_email()) as admin, visiting(stack, VENDOR_ADMIN) as vera:
        await vera.sign_in()
        company = await a_company(vera)
        pins = {"pins": [{"pin": "4711", "label": "Gold", "instructions": "Call first."}]}
        path = f"/vendor/companies/{company['id']}/pins"
        version = (await vera.get(path))["version"]
        await vera.put(path, pins, headers={"If-Match": f'"{version}"'})
        invited = {"invitations": [{"email": admin.email, "role": "company_admin"}]}
        await vera.post(f"/vendor/companies/{company['id']}/invitations", invited)
        await join(stack, admin)
        await admin.sign_in()
        await admin.complete_profile()
        yield admin


@pytest.fixture
async def form(page: Page, stack: Stack, ana: Visitor) -> AsyncIterator[Page]:
    """The form for a device that no other test knows."""
    await begin_session(page, stack, ana.email)
    await open_form(page, stack)
    yield page
    await end_session(page, stack)


@pytest.fixture
async def plain(browser: Browser, stack: Stack, ana: Visitor) -> AsyncIterator[Page]:
    """The same form in a browser that runs no scripts."""
    async with await browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740}) as context:
        context.set_default_timeout(30_000)
        page = await context.new_page()
        await begin_session(page, stack, ana.email)
        await open_form(page, stack)
        yield page
        await end_session(page, stack)


async def open_form(page: Page, stack: Stack) -> None:
    await page.goto(f"{stack.base_url}/cases/new?serial={a_serial()}")


async def describe(page: Page, *, title: str = "Paper jam in tray 3") -> None:
    await page.get_by_label("Title", exact=True).fill(title)
    await page.get_by_role("radio", name="High").check()
    await page.get_by_label("Description", exact=True).fill(DESCRIPTION)


async def submit(page: Page) -> None:
    await page.get_by_role("button", name="Submit the case").click()


async def expect_described(page: Page) -> None:
    await expect(page.get_by_label("Title", exact=True)).to_have_value("Paper jam in tray 3")
    await expect(page.get_by_label("Description", exact=True)).to_have_value(DESCRIPTION)
    await expect(page.get_by_role("radio", name="High")).to_be_checked()


async def attach(page: Page, *files: dict[str, str | bytes]) -> None:
    await page.get_by_label("Add files").set_input_files(files)  # type: ignore[arg-type]  # FilePayload is not exported


def files_of(page: Page) -> Locator:
    return page.locator(".file-list li")


async def until_attached(page: Page, name: str) -> None:
    """A file that is still on its way can be removed already; one that has arrived is cited."""
    await expect(page.locator(f".file-list li[data-name='{name}'] input[name=attachment_ids]")).to_have_count(1)
    await expect(page.get_by_role("button", name=f"Remove: {name}")).to_be_visible()


async def the_case(page: Page, ana: Visitor) -> Json:
    await expect(page).to_have_url(CREATED)
    number = re.search(r"\d{10}", page.url)
    assert number is not None
    case: Json = await ana.get(f"/cases/{number[0]}")
    return case


def attached(case: Json) -> list[str]:
    return [file["name"] for file in case["attachments"]]


async def until_draft_is_kept(page: Page, text: str = DESCRIPTION) -> None:
    """By default all of `describe`, whose description comes last."""
    await page.wait_for_function("text => Object.values(localStorage).some(value => value.includes(text))", arg=text)


async def test_a_draft_survives_a_reload_and_is_discarded_on_request(form: Page) -> None:
    await describe(form)
    await unfold(form, "Location")
    await form.get_by_label("Parts go to another address").check()
    await form.locator("[id='f-parts_address.city']").fill("Grenoble")
    await form.locator("[id='f-parts_address.country']").select_option("FR")
    await unfold(form, "Contact")
    await form.get_by_text("Other contact information").click()
    await form.locator("[id='f-secondary_contact.first_name']").fill("Luc")
    await until_draft_is_kept(form, "Luc")
    await form.reload()
    await expect(form.get_by_text("Your draft has been restored.")).to_be_visible()
    await expect_described(form)
    await expect(form.get_by_label("Parts go to another address")).to_be_checked()
    # What differs from the page as it came is in sight.
    await expect(form.locator("[id='f-parts_address.city']")).to_be_visible()
    await expect(form.locator("[id='f-parts_address.city']")).to_have_value("Grenoble")
    await expect(form.locator("[id='f-parts_address.country']")).to_have_value("FR")
    await expect(form.locator("[id='f-secondary_contact.first_name']")).to_be_visible()
    await expect(form.locator("[id='f-secondary_contact.first_name']")).to_have_value("Luc")
    assert await form.locator(".known > details[open]").count() == 2
    await form.get_by_role("button", name="Discard it").click()
    await expect(form.get_by_label("Title", exact=True)).to_have_value("")
    await form.reload()
    await expect(form.get_by_label("Title", exact=True)).to_have_value("")
    await expect(form.get_by_text("Your draft has been restored.")).to_be_hidden()


async def test_a_draft_keeps_no_secret_of_the_session(form: Page) -> None:
    await describe(form)
    await until_draft_is_kept(form)
    token = await form.locator("form[data-draft] input[name=csrf_token]").input_value()
    assert token not in await form.evaluate("JSON.stringify(localStorage)")


async def test_what_was_typed_outlives_the_session_with_its_files_and_makes_one_case(form: Page, ana: Visitor) -> None:
    address = form.url
    await describe(form)
    await attach(form, a_file("jam.png"))
    await until_attached(form, "jam.png")
    await form.context.clear_cookies()
    await submit(form)
    await expect(form.locator("h1")).to_have_text("Sign in")
    await form.locator("input[name=email]").fill(ana.email)
    await form.locator("input[name=password]").fill("correct horse battery staple")
    await form.locator("main form button.primary").click()
    await expect(form.locator("h1")).to_have_text("Your form was not sent")
    await form.get_by_role("button", name="Send it again").click()
    case = await the_case(form, ana)
    assert attached(case) == ["jam.png"]
    await form.goto(address)
    await expect(form.get_by_label("Title", exact=True)).to_have_value("")


async def test_a_draft_outlives_a_session_that_ended_before_the_form_was_sent(
    form: Page, stack: Stack, ana: Visitor
) -> None:
    await describe(form)
    await until_draft_is_kept(form)
    address = form.url
    await form.context.clear_cookies()
    await sign_in(form, stack, ana.email)
    await form.goto(address)
    await expect(form.get_by_text("Your draft has been restored.")).to_be_visible()
    await expect_described(form)
    await submit(form)
    await the_case(form, ana)


async def test_the_draft_is_gone_when_the_case_is_there(form: Page, ana: Visitor) -> None:
    address = form.url
    await describe(form)
    await submit(form)
    case = await the_case(form, ana)
    await expect(form.locator(".lead-number")).to_contain_text(case["number"])
    await expect(form.get_by_role("link", name="Follow this case")).to_be_visible()
    await form.goto(address)
    await expect(form.get_by_label("Title", exact=True)).to_have_value("")


async def test_another_user_of_the_browser_sees_nothing_of_a_draft(form: Page, stack: Stack, ana: Visitor) -> None:
    await describe(form)
    await until_draft_is_kept(form)
    address = f"{form.url}&submitter_id={(await ana.get('/session'))['user']['id']}"
    await form.context.clear_cookies()
    await sign_in(form, stack, VENDOR_ADMIN)
    await form.goto(address)
    await expect(form.get_by_label("Title", exact=True)).to_have_value("")


@pytest.mark.parametrize("at_once", [False, True])
async def test_signing_out_leaves_no_draft_behind(form: Page, stack: Stack, ana: Visitor, *, at_once: bool) -> None:
    await describe(form)
    if not at_once:
        await until_draft_is_kept(form)
    address = form.url
    # What was typed in another company of the same person, too.
    await form.evaluate("""() => {
      document.body.dataset.users = `${document.body.dataset.user} of-another-company`;
      localStorage.setItem("portico.draft.of-another-company.case:1:comment", "{}");
    }""")
    await form.locator("form[action='/sign-out']").evaluate("(element) => element.requestSubmit()")
    await form.wait_for_url(lambda url: "/cases/new" not in url)
    assert await form.evaluate("JSON.stringify(localStorage)") == "{}"
    await sign_in(form, stack, ana.email)
    await form.goto(address)
    await expect(form.get_by_label("Title", exact=True)).to_have_value("")


async def test_a_double_click_makes_one_case(form: Page, ana: Visitor) -> None:
    title = f"Clicked twice {secrets.token_hex(4)}"
    await describe(form, title=title)
    await form.get_by_role("button", name="Submit the case").dblclick()
    await the_case(form, ana)
    assert (await ana.get("/cases", q=title))["total"] == 1


async def test_going_back_and_sending_again_leads_to_the_same_case(form: Page, ana: Visitor) -> None:
    address = form.url
    await describe(form)
    await until_draft_is_kept(form)
    kept = await form.evaluate("JSON.stringify(Object.entries(localStorage))")
    await submit(form)
    first = await the_case(form, ana)
    # As after a crash between the sending and the answer: the draft is still there.
    await form.evaluate("kept => JSON.parse(kept).forEach(([key, value]) => localStorage.setItem(key, value))", kept)
    await form.goto(address)
    await expect_described(form)
    await submit(form)
    assert (await the_case(form, ana))["number"] == first["number"]


async def test_the_same_form_with_other_words_shows_the_case_that_was_made(form: Page, ana: Visitor) -> None:
    address = form.url
    await describe(form)
    await until_draft_is_kept(form)
    kept = await form.evaluate("JSON.stringify(Object.entries(localStorage))")
    await submit(form)
    first = await the_case(form, ana)
    await form.evaluate("kept => JSON.parse(kept).forEach(([key, value]) => localStorage.setItem(key, value))", kept)
    await form.goto(address)
    await form.get_by_label("Title", exact=True).fill("Paper jam in every tray")
    await submit(form)
    await expect(form.locator("#errors")).to_contain_text("This form was sent before")
    await expect(form.locator(f"main a[href='/cases/{first['number']}']").first).to_be_visible()
    await expect(form.get_by_label("Title", exact=True)).to_have_value("Paper jam in every tray")
    await submit(form)
    assert (await the_case(form, ana))["number"] != first["number"]


async def test_a_file_is_sent_at_once_with_its_progress_and_the_form_waits_for_it(form: Page, ana: Visitor) -> None:
    held: asyncio.Queue[Route] = asyncio.Queue()
    await form.route("**/api/v1/attachments", held.put)
    await describe(form)
    await attach(form, a_file("jam.png", PNG + b"\0" * 300_000))
    await expect(files_of(form).get_by_role("progressbar", name="jam.png")).to_be_visible()
    await submit(form)
    await expect(form.locator("[data-status]")).to_have_text("The form goes out when the files have arrived.")
    await (await held.get()).continue_()
    assert attached(await the_case(form, ana)) == ["jam.png"]


async def test_files_are_dropped_removed_and_counted(form: Page, ana: Visitor) -> None:
    await describe(form)
    dropped = await form.evaluate_handle(
        "() => { const data = new DataTransfer(); for (const name of ['a.txt', 'b.txt', 'c.txt', 'd.txt'])"
        " data.items.add(new File(['text of ' + name], name)); return data; }"
    )
    await form.dispatch_event(".drop", "drop", {"dataTransfer": dropped})
    for name in ("a.txt", "b.txt", "c.txt"):
        await until_attached(form, name)
    await expect(form.locator(".file-errors")).to_have_text("d.txt: Too many files: the limit for one message is 3.")
    await form.get_by_role("button", name="Remove: b.txt").click()
    await expect(files_of(form)).to_have_count(2)
    await expect(form.get_by_label("Add files")).to_be_focused()
    await expect(form.locator("[data-files] input[name=attachment_ids]")).to_have_count(2)
    await submit(form)
    assert sorted(attached(await the_case(form, ana))) == ["a.txt", "c.txt"]


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (429, "too_many_uncited", "You have added too many files without sending a message."),
        (507, "storage_low", "Files cannot be stored at the moment: there is not enough space."),
    ],
)
async def test_a_file_without_room_is_refused_and_the_form_is_sent_without_it(
    form: Page, ana: Visitor, status: int, code: str, sentence: str
) -> None:
    errors = [{"field": "file", "code": code, "message": "In English."}] if status == 429 else []
    answer = json.dumps({"code": code, "status": status, "title": "In English.", "errors": errors})
    problem = "application/problem+json"
    await form.route(
        "**/api/v1/attachments", lambda route: route.fulfill(status=status, content_type=problem, body=answer)
    )
    await describe(form)
    await attach(form, a_file("jam.png"))
    await expect(form.locator(".file-errors")).to_contain_text(f"jam.png: {sentence}")
    await expect_described(form)
    await submit(form)
    assert attached(await the_case(form, ana)) == []


async def away(route: Route, *, for_s: int) -> None:
    answer = json.dumps({"code": "unavailable", "status": 503, "title": "In English.", "errors": []})
    headers = {"Retry-After": str(for_s)}
    await route.fulfill(status=503, content_type="application/problem+json", body=answer, headers=headers)


async def test_a_file_that_was_not_accepted_for_a_moment_is_sent_again_by_itself(form: Page, ana: Visitor) -> None:
    await form.route("**/api/v1/attachments", lambda route: away(route, for_s=5), times=1)
    await describe(form)
    await attach(form, a_file("jam.png"))
    await expect(files_of(form)).to_contain_text("Files cannot be sent at the moment.")
    await submit(form)
    assert attached(await the_case(form, ana)) == ["jam.png"]


@pytest.mark.parametrize("is_cut_off", [False, True])
async def test_no_form_leaves_a_file_behind_that_could_not_be_taken(
    form: Page, ana: Visitor, *, is_cut_off: bool
) -> None:
    async def refuse(route: Route) -> None:
        await (route.abort() if is_cut_off else away(route, for_s=3600))

    await form.route("**/api/v1/attachments", refuse, times=1)
    await describe(form)
    await attach(form, a_file("jam.png"))
    again = form.get_by_role("button", name="Try again: jam.png")
    await expect(again).to_be_visible()
    await submit(form)
    await expect(files_of(form)).to_contain_text("The file was not sent. Try again, or remove it")
    await expect(again).to_be_focused()
    await expect_described(form)
    await again.click()
    await until_attached(form, "jam.png")
    await submit(form)
    assert attached(await the_case(form, ana)) == ["jam.png"]


async def test_each_wrong_file_is_named_with_its_rule_and_the_others_stay(form: Page, ana: Visitor) -> None:
    await describe(form)
    wrong = (
        a_file("tool.exe"),
        a_file("fake.pdf"),
        a_file("huge.png", PNG + b"\0" * 2 * 1024 * 1024),
        a_file("0.txt", b""),
        a_file("web.jpg", b"RIFF\x24\0\0\0WEBPVP8 "),
    )
    await attach(form, *wrong, a_file("jam.png.\u200b"))
    await until_attached(form, "jam.png")
    errors = form.locator(".file-errors")
    await expect(errors).to_contain_text("tool.exe: Files of this kind are not accepted. Accepted are: jpg")
    await expect(errors).to_contain_text(
        "fake.pdf: This is not a .pdf file, but a .png file. Change the ending of its name"
    )
    await expect(errors).to_contain_text(
        "web.jpg: This is not a .jpg file, but a .webp file, and these are not accepted."
    )
    await expect(errors).to_contain_text("huge.png: The file is too large. A file may have at most 2 MB.")
    await expect(errors).to_contain_text("0.txt: The file is empty.")
    await expect(form.get_by_label("Add files")).to_have_attribute("aria-invalid", "true")
    await expect_described(form)
    await submit(form)
    assert attached(await the_case(form, ana)) == ["jam.png"]


async def test_a_refused_form_comes_back_with_its_files_and_its_draft(form: Page, ana: Visitor) -> None:
    await attach(form, a_file("jam.png"))
    await until_attached(form, "jam.png")
    await form.get_by_label("Description", exact=True).fill("too short")
    await submit(form)
    await expect(form.locator("#errors")).to_be_focused()
    await until_attached(form, "jam.png")
    await form.reload()
    await expect(form.get_by_label("Description", exact=True)).to_have_value("too short")
    await describe(form)
    await submit(form)
    assert attached(await the_case(form, ana)) == ["jam.png"]


async def test_a_text_that_came_back_cut_does_not_take_the_place_of_the_whole_one(form: Page) -> None:
    whole = "x" * 59_990 + " the end."
    await describe(form)
    await form.get_by_label("Description", exact=True).fill(whole)
    await until_draft_is_kept(form, " the end.")
    await submit(form)
    await expect(form.locator("#errors")).to_be_visible()
    await expect(form.get_by_label("Description", exact=True)).to_have_value(whole)
    await expect(form.locator("#errors")).not_to_contain_text("too long to be shown in full")
    await form.reload()
    await expect(form.get_by_label("Description", exact=True)).to_have_value(whole)


async def test_help_opens_by_keyboard_and_closes_by_escape(form: Page) -> None:
    await unfold(form, "Contact")
    await form.locator("[id='f-contact.first_name']").focus()
    await form.keyboard.press("Shift+Tab")
    await form.keyboard.press("Enter")
    help_text = form.locator("[id='f-contact.first_name-help']")
    await expect(help_text).to_be_visible()
    await form.keyboard.press("Escape")
    await expect(help_text).to_be_hidden()


async def test_without_scripts_the_whole_form_works_with_its_files(plain: Page, ana: Visitor) -> None:
    await plain.get_by_label("Description", exact=True).fill("too short")
    await attach(plain, a_file("jam.png"), a_file("tool.exe"))
    await submit(plain)
    await expect(plain.locator("#errors")).to_contain_text("tool.exe: Files of this kind are not accepted.")
    await expect(plain.get_by_label("jam.png")).to_be_checked()
    await expect(plain.get_by_label("Description", exact=True)).to_have_value("too short")
    await describe(plain)
    await unfold(plain, "More details")
    await plain.get_by_label("Identification code (PIN)").select_option("4711")
    await attach(plain, a_file("log.txt", b"13.02.00"))
    await submit(plain)
    case = await the_case(plain, ana)
    assert sorted(attached(case)) == ["jam.png", "log.txt"]
    assert case["pin"] == "4711"
    await expect(plain.get_by_role("link", name="jam.png")).to_be_visible()


async def test_without_scripts_a_huge_file_loses_nothing_of_the_form(plain: Page, tmp_path: Path) -> None:
    # From the disk: as bytes it would go through Playwright's pipe, for seconds.
    huge = tmp_path / "huge.png"
    huge.write_bytes(PNG + b"\0" * 9 * 1024 * 1024)
    await describe(plain)
    await plain.get_by_label("Add files").set_input_files(huge)
    await submit(plain)
    await expect(plain.locator("#errors")).to_contain_text("huge.png: The file is too large.")
    await expect_described(plain)


async def test_help_opens_without_scripts(plain: Page) -> None:
    await unfold(plain, "Contact")
    await plain.locator("button[popovertarget='f-contact.first_name-help']").click()
    await expect(plain.locator("[id='f-contact.first_name-help']")).to_be_visible()

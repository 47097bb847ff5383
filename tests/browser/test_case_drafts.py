"""What is typed or attached is kept in the browser until it has arrived: comments, reasons, and the case form."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import pytest
from playwright.async_api import Locator, Page, expect

from deploy.local.stack import PythonPart, Stack
from tests.browser.test_case_form import (
    a_file,
    ana,
    attach,
    attached,
    describe,
    expect_described,
    form,
    plain,
    submit,
    the_case,
    until_attached,
    until_draft_is_kept,
)
from tests.browser.walking import begin_session, sign_in
from tests.builders import a_serial
from tests.e2e.portal import PASSWORD, VENDOR_ADMIN, Visitor

__all__ = ["ana", "form", "plain"]

TEXT = "It jams again since noon."
RESTORED = "Your draft has been restored."


@pytest.fixture
async def without_cases(stack: Stack) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Kills cases when it is called; it is back after the test at the latest."""

    async def kill() -> None:
        stack.kill("cases")

    yield kill
    if not cast("PythonPart", stack.parts["cases"]).child.running:
        await stack.restart("cases")


@pytest.fixture
async def case(page: Page, stack: Stack, ana: Visitor) -> Page:
    """The page of a case that no other test knows."""
    number = (await ana.submit(serial=a_serial()))["number"]
    await begin_session(page, stack, ana.email)
    await page.goto(f"{stack.base_url}/cases/{number}")
    return page


def comment(page: Page) -> Locator:
    return page.locator("#comment-text")


async def until_kept(page: Page, text: str = TEXT) -> None:
    await page.wait_for_function("text => Object.values(localStorage).some(value => value.includes(text))", arg=text)


async def send(page: Page) -> None:
    await page.get_by_role("button", name="Send", exact=True).click()


async def open_dialog(page: Page, name: str) -> Locator:
    await page.get_by_text("Update this case").click()
    await page.get_by_role("link", name=name, exact=True).click()
    return page.locator("dialog:modal")


async def test_a_comment_and_its_files_outlive_a_reload_and_are_gone_when_they_have_arrived(case: Page) -> None:
    await comment(case).fill(TEXT)
    await attach(case, a_file("jam.png"))
    await until_attached(case, "jam.png")
    await until_kept(case, "jam.png")
    await case.reload()
    await expect(comment(case)).to_have_value(TEXT)
    await expect(case.get_by_text(RESTORED)).to_be_visible()
    await until_attached(case, "jam.png")
    await send(case)
    await expect(case.get_by_text("Your message is sent.")).to_be_visible()
    await expect(case.locator(".message", has_text=TEXT).get_by_role("link", name="jam.png")).to_be_visible()
    await expect(comment(case)).to_have_value("")
    await case.reload()
    await expect(comment(case)).to_have_value("")
    assert TEXT not in await case.evaluate("JSON.stringify(localStorage)")


async def test_a_comment_outlives_that_something_else_is_done_with_the_case(case: Page) -> None:
    await comment(case).fill(TEXT)
    dialog = await open_dialog(case, "Change the severity")
    await dialog.get_by_label("Severity").select_option("1")
    await dialog.get_by_role("button", name="Change the severity").click()
    await expect(case.get_by_text("The severity is changed.")).to_be_visible()
    await expect(comment(case)).to_have_value(TEXT)
    dialog = await open_dialog(case, "Close the case")
    await dialog.get_by_label("Reason").fill("It works again.")
    await dialog.get_by_label("Yes").check()
    await dialog.get_by_role("button", name="Close the case").click()
    await expect(case.get_by_text("The case is closed.")).to_be_visible()
    await case.get_by_role("link", name="Reopen the case").click()
    dialog = case.locator("dialog:modal")
    await expect(dialog.get_by_label("Reason")).to_have_value("")
    await dialog.get_by_label("Reason").fill("It does not.")
    await dialog.get_by_role("button", name="Reopen the case").click()
    await expect(case.get_by_text("The case is open again.")).to_be_visible()
    await expect(comment(case)).to_have_value(TEXT)


async def test_reasons_are_kept_for_each_action_and_each_case(case: Page, stack: Stack, ana: Visitor) -> None:
    dialog = await open_dialog(case, "Close the case")
    await dialog.get_by_label("Reason").fill("It works again.")
    await dialog.get_by_label("Yes").check()
    await until_kept(case, "It works again.")
    await case.reload()
    dialog = await open_dialog(case, "Close the case")
    await expect(dialog.get_by_label("Reason")).to_have_value("It works again.")
    await expect(dialog.get_by_label("Yes")).to_be_checked()
    await expect(dialog.get_by_text(RESTORED)).to_be_visible()
    await dialog.get_by_role("link", name="Cancel", exact=True).click()
    dialog = await open_dialog(case, "Cancel the case")
    await expect(dialog.get_by_label("Reason")).to_have_value("")
    other = (await ana.submit(serial=a_serial()))["number"]
    await case.goto(f"{stack.base_url}/cases/{other}")
    dialog = await open_dialog(case, "Close the case")
    await expect(dialog.get_by_label("Reason")).to_have_value("")


async def test_a_refused_comment_that_was_changed_since_outlives_the_reload_that_sends_the_old_one_again(
    case: Page,
) -> None:
    await send(case)
    await expect(case.locator("#errors")).to_be_visible()
    await comment(case).fill(TEXT)
    await until_kept(case)
    await case.reload()
    await expect(comment(case)).to_have_value(TEXT)
    await send(case)
    await expect(case.get_by_text("Your message is sent.")).to_be_visible()


async def test_a_comment_with_files_that_cases_refused_is_sent_with_one_press_and_its_draft_removed(
    case: Page, stack: Stack, without_cases: Callable[[], Awaitable[None]]
) -> None:
    address = case.url
    await comment(case).fill(TEXT)
    await attach(case, a_file("jam.png"))
    await until_attached(case, "jam.png")
    await without_cases()
    await send(case)
    await expect(case.locator("h1")).to_have_text("Your form was not sent")
    await expect(case.get_by_text("jam.png")).to_be_visible()
    await stack.restart("cases")
    # Leaving the page that has it loses nothing either.
    await case.goto(address)
    await expect(comment(case)).to_have_value(TEXT)
    await until_attached(case, "jam.png")
    await send(case)
    await expect(case.get_by_text("Your message is sent.")).to_be_visible()
    await expect(case.locator(".message", has_text=TEXT).get_by_role("link", name="jam.png")).to_be_visible()
    await expect(comment(case)).to_have_value("")


async def test_what_is_discarded_does_not_come_back(
    case: Page, stack: Stack, without_cases: Callable[[], Awaitable[None]]
) -> None:
    await comment(case).fill(TEXT)
    await without_cases()
    await send(case)
    await expect(case.locator("h1")).to_have_text("Your form was not sent")
    await stack.restart("cases")
    await case.get_by_role("link", name="Discard it").click()
    await expect(comment(case)).to_have_value("")


async def test_a_comment_survives_the_session_and_no_other_user_sees_it(case: Page, stack: Stack, ana: Visitor) -> None:
    address = case.url
    await comment(case).fill(TEXT)
    await until_kept(case)
    await case.context.clear_cookies()
    await sign_in(case, stack, VENDOR_ADMIN)
    await case.goto(address)
    await expect(case.locator("#answer-text")).to_have_value("")
    await case.context.clear_cookies()
    await sign_in(case, stack, ana.email)
    await case.goto(address)
    await expect(comment(case)).to_have_value(TEXT)
    await case.context.clear_cookies()
    await send(case)
    await case.locator("input[name=email]").fill(ana.email)
    await case.locator("input[name=password]").fill(PASSWORD)
    await case.locator("main form button.primary").click()
    await case.get_by_role("button", name="Send it again").click()
    await expect(case.get_by_text("Your message is sent.")).to_be_visible()
    await expect(comment(case)).to_have_value("")


async def test_a_comment_is_sent_without_scripts_too(plain: Page, stack: Stack, ana: Visitor) -> None:
    number = (await ana.submit(serial=a_serial()))["number"]
    await plain.goto(f"{stack.base_url}/cases/{number}")
    await comment(plain).fill(TEXT)
    await send(plain)
    await expect(plain.get_by_text("Your message is sent.")).to_be_visible()
    await expect(plain.locator(".message", has_text=TEXT)).to_be_visible()


# The case form, while a part is away and after a refusal


async def test_files_are_kept_when_cases_is_unavailable_while_the_form_is_sent(
    form: Page, stack: Stack, ana: Visitor, without_cases: Callable[[], Awaitable[None]]
) -> None:
    await describe(form)
    await attach(form, a_file("jam.png"), a_file("log.txt", b"13.02.00"))
    await until_attached(form, "jam.png")
    await until_attached(form, "log.txt")
    await without_cases()
    await submit(form)
    await expect(form.locator("#errors")).to_be_visible()
    await expect_described(form)
    await until_attached(form, "jam.png")
    await until_attached(form, "log.txt")
    # Once more, and by a reload, which sends it again.
    await submit(form)
    await until_attached(form, "log.txt")
    await form.reload()
    await until_attached(form, "jam.png")
    await stack.restart("cases")
    await submit(form)
    assert sorted(attached(await the_case(form, ana))) == ["jam.png", "log.txt"]


async def test_what_was_typed_after_a_refusal_outlives_a_reload_which_sends_the_old_form_again(
    form: Page, ana: Visitor
) -> None:
    await form.get_by_label("Title", exact=True).fill("Power")
    await submit(form)
    await expect(form.locator("#errors")).to_be_visible()
    await describe(form)
    await attach(form, a_file("jam.png"))
    await until_attached(form, "jam.png")
    await until_draft_is_kept(form, "jam.png")
    for _ in range(2):
        await form.reload()
        await expect(form.get_by_text("Your draft has been restored.")).to_be_visible()
        await expect_described(form)
        await until_attached(form, "jam.png")
    await submit(form)
    case = await the_case(form, ana)
    assert (case["title"], attached(case)) == ("Paper jam in tray 3", ["jam.png"])


async def test_a_refused_form_that_nothing_was_typed_into_comes_back_as_it_was_sent(form: Page) -> None:
    address = form.url
    await form.get_by_label("Title", exact=True).fill("Power supply")
    await submit(form)
    await expect(form.locator("#errors")).to_be_visible()
    await form.reload()
    await expect(form.get_by_label("Title", exact=True)).to_have_value("Power supply")
    await expect(form.get_by_text("Your draft has been restored.")).to_be_hidden()
    await form.goto(address)
    await expect(form.get_by_label("Title", exact=True)).to_have_value("Power supply")

"""The page of a case as a conversation: what scripts add to it, and what is there without them."""

import base64
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from deploy.local.stack import Stack
from tests.browser.test_case_drafts import case, comment, send
from tests.browser.test_case_form import a_file, ana, attach, form, plain, until_attached
from tests.builders import a_serial
from tests.e2e.portal import Visitor

__all__ = ["ana", "case", "form", "plain"]

PASTE = """([field, content, text]) => {
  const pasted = new DataTransfer();
  const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
  pasted.items.add(new File([bytes], "image.png", { type: "image/png" }));
  if (text) pasted.setData("text/plain", text);
  const told = { clipboardData: pasted, bubbles: true, cancelable: true };
  return document.querySelector(field).dispatchEvent(new ClipboardEvent("paste", told));
}"""
SHIFTS = """() => new Promise((answer) => {
  new PerformanceObserver((list) => answer(list.getEntries().reduce((sum, { value }) => sum + value, 0)))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => answer(0), 300);
})"""


async def paste(page: Page, *, text: str = "", field: str = "#comment-text") -> bool:
    """Whether the browser goes on with it."""
    content = base64.b64encode(bytes(a_file("image.png")["buffer"])).decode()  # type: ignore[arg-type]  # it is bytes
    return bool(await page.evaluate(PASTE, [field, content, text]))


async def test_screenshots_are_pasted_and_sent_by_keys_and_then_seen(case: Page) -> None:
    browser = await case.context.new_cdp_session(case)
    await browser.send("Emulation.setTimezoneOverride", {"timezoneId": "Europe/Paris"})
    await case.clock.set_fixed_time(datetime(2026, 12, 1, 9, 12, tzinfo=UTC))
    names = ("screenshot-2026-12-01-1012.png", "screenshot-2026-12-01-1012-2.png")
    for name in names:
        assert not await paste(case)
        await until_attached(case, name)
        await expect(case.locator(".composer [data-status]")).to_have_text(f"{name}: Sent.")
    await comment(case).fill("As you see here.")
    await comment(case).press("Control+Enter")
    await expect(case.get_by_role("status").filter(has_text="Your message is sent.")).to_be_in_viewport()
    newest = case.locator("#newest")
    await expect(newest).to_contain_text("As you see here.")
    await expect(newest).to_be_in_viewport()
    for name in names:
        picture = newest.get_by_role("img", name=name, exact=True)
        await picture.scroll_into_view_if_needed()
        await case.wait_for_function("picture => picture.complete", arg=await picture.element_handle())


async def test_a_screenshot_is_pasted_into_the_case_form_within_the_same_limits(form: Page) -> None:
    rows, said = form.locator(".file-list li"), form.locator(".files [data-status]")
    for n in range(3):
        assert not await paste(form, field="#f-description")
        await expect(rows).to_have_count(n + 1)
        name = re.match(r"screenshot-\d{4}-\d\d-\d\d-\d{4}(-[23])?\.png(?= )", await rows.nth(n).inner_text())
        assert name
        await expect(said).to_have_text(f"{name[0]}: Sent.")
    assert not await paste(form, field="#f-description")
    await expect(form.locator(".file-errors")).to_contain_text(re.compile(r"screenshot-.*\.png: Too many files"))
    await expect(said).to_contain_text("Too many files")
    await expect(rows).to_have_count(3)
    assert await paste(form, text="13.02.00", field="#f-description")


@pytest.mark.parametrize("pasted", [False, True])
async def test_files_go_with_the_message_where_the_module_for_them_does_not_come(case: Page, *, pasted: bool) -> None:
    asked: list[str] = []

    async def refuse(route: Route) -> None:
        asked.append(route.request.url)
        await route.abort()

    await case.route("**/static/upload.js*", refuse)
    await comment(case).fill("See the file.")
    await (paste(case) if pasted else attach(case, a_file("image.png")))
    await expect(case.locator(".file-list li")).to_have_text("image.png")
    assert 1 <= len(asked) <= 3  # once at each occasion
    await send(case)
    await expect(case.get_by_text("Your message is sent.")).to_be_visible()
    await expect(case.locator("#newest .attached a")).to_have_count(1)


async def test_files_that_waited_for_their_module_go_out_when_it_comes(case: Page) -> None:
    await case.route("**/static/upload.js*", lambda route: route.abort(), times=1)
    await paste(case)
    await expect(case.locator(".file-list li")).to_have_text("image.png")
    await case.locator(".composer [data-files]").dispatch_event("pointerenter")
    await until_attached(case, "image.png")
    await send(case)
    await expect(case.locator("#newest .attached a")).to_have_count(1)


async def test_on_a_phone_one_line_becomes_the_whole_width_to_write_in(case: Page) -> None:
    await case.set_viewport_size({"width": 360, "height": 740})
    width = "element => element.getBoundingClientRect().width"
    whole = await case.locator(".composer form").evaluate(width)
    assert await comment(case).evaluate(width) < whole * 0.7  # beside it: files, and the button
    await comment(case).fill("The fan is loud again.")
    assert await comment(case).evaluate(width) > whole * 0.95


async def test_what_is_pasted_as_text_stays_text(case: Page) -> None:
    assert await paste(case, text="17\t42")
    await expect(case.locator(".file-list li")).to_have_count(0)


@pytest.mark.parametrize("width", [1440, 360])
async def test_a_message_is_written_in_one_line_at_the_foot_that_grows(case: Page, width: int) -> None:
    await case.set_viewport_size({"width": width, "height": 800})
    field, heights = comment(case), []
    for text in ("", "Line.\n" * 5, "Line.\n" * 200):
        await field.fill(text)
        await expect(case.locator(".composer").get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)
        heights.append(await field.evaluate("field => field.getBoundingClientRect().height"))
    assert heights[0] <= 48
    assert heights[0] < heights[1] < heights[2] <= 400


async def test_earlier_entries_come_in_above_what_is_read(case: Page, ana: Visitor) -> None:
    number = case.url.rpartition("/")[2]
    for place in range(54):
        await ana.act(number, action="comment", text=f"Entry {place}.")
    await case.reload()
    await case.locator("summary", has_text="44 earlier entries").click()
    read = case.get_by_text("Entry 4.", exact=True)
    await read.scroll_into_view_if_needed()
    before = await read.evaluate("element => element.getBoundingClientRect().top")
    await case.get_by_role("link", name="Show earlier entries").click()
    await expect(case.get_by_text("Entry 0.", exact=True)).to_be_attached()
    assert abs(await read.evaluate("element => element.getBoundingClientRect().top") - before) < 2
    assert await case.locator(".talk .prose").all_inner_texts() == [
        await case.locator("#problem .prose").inner_text(),
        *(f"Entry {place}." for place in range(54)),
    ]
    await expect(case.get_by_role("link", name="Show earlier entries")).to_have_count(0)
    await expect(case.locator(":focus")).to_contain_text("Entry 0.")


@pytest.mark.parametrize("width", [1440, 360])
async def test_nothing_moves_while_the_page_comes(case: Page, width: int) -> None:
    await case.set_viewport_size({"width": width, "height": 800})
    await attach(case, a_file("jam.png"))
    await until_attached(case, "jam.png")
    await send(case)
    await expect(case.get_by_role("img", name="jam.png")).to_be_visible()
    await case.reload()
    assert await case.evaluate(SHIFTS) < 0.01


async def test_a_case_is_read_and_answered_without_scripts(
    plain: Page, stack: Stack, ana: Visitor, tmp_path: Path
) -> None:
    number = (await ana.submit(serial=a_serial()))["number"]
    await plain.goto(f"{stack.base_url}/cases/{number}")
    await expect(plain.get_by_role("button", name="Copy")).to_be_hidden()
    chosen = plain.locator("input[type=file]")
    await expect(chosen).to_be_visible()
    note = tmp_path / "log.txt"
    note.write_text("13.02.00")
    await chosen.set_input_files(note)
    await send(plain)
    await expect(plain.locator("#newest").get_by_role("link", name="log.txt")).to_be_visible()
    await plain.get_by_text("Update this case").click()
    await plain.get_by_role("link", name="Close the case").click()
    await plain.get_by_role("button", name="Close the case").click()
    await expect(plain.get_by_role("alert")).to_contain_text("The case was not closed")
    await plain.get_by_label("Reason").fill("It works again.")
    await plain.get_by_label("Yes").check()
    await plain.get_by_role("button", name="Close the case").click()
    await expect(plain.get_by_text("The case is closed.")).to_be_visible()


async def test_a_follow_up_and_its_case_lead_to_each_other(case: Page, stack: Stack, ana: Visitor) -> None:
    old = await ana.submit(serial=a_serial(), title="Paper jam in tray 2")
    await ana.act(old["number"], action="close", version=1, reason="It works.", resolved=True)
    new = await ana.act(old["number"], action="follow_up", title="Jams again", description="Since noon, as before.")
    await case.goto(f"{stack.base_url}/cases/{old['number']}")
    await case.locator("#follow-ups").get_by_role("link", name="Jams again").click()
    await expect(case).to_have_url(f"{stack.base_url}/cases/{new['number']}")
    # It is about the same device, too.
    await expect(case.locator("#same-device").get_by_role("link", name="Paper jam in tray 2")).to_be_visible()
    await case.locator(".page-head").get_by_role("link", name=old["number"]).click()
    await expect(case.get_by_role("heading", level=1)).to_have_text("Paper jam in tray 2")

"""The list of cases in a browser: how much of it a screen shows, where a press leads, and its keys."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Locator, Page, expect

from deploy.local.stack import Stack
from tests.browser.walking import a_customer, begin_session
from tests.builders import an_email
from tests.e2e.portal import VENDOR_ADMIN, visiting

TITLES = (
    *(f"Paper jam in tray {number}, on every second page" for number in range(10)),
    "Scanner glass cracked in transport to the ward, replacement wanted before Monday, and a second one for the branch",
    "W" * 120,
    "\u05d4\u05de\u05d3\u05e4\u05e1\u05ea \u05dc\u05d0 \u05e2\u05d5\u05d1\u05d3\u05ea (tray 3)",
    "Waits for the customer",
)
TOP_BAR = 56
ROWS = "[...document.querySelectorAll('#list tbody tr')].map((row) => row.getBoundingClientRect())"


@dataclass(frozen=True)
class Cases:
    """Those of one company, and who administers it."""

    email: str
    waiting: str  # the number of the one that waits for the customer


@pytest.fixture(scope="module")
async def cases(stack: Stack) -> AsyncIterator[Cases]:
    async with visiting(stack, an_email()) as ana, visiting(stack, VENDOR_ADMIN) as vera:
        serial = (await a_customer(stack, ana)).serial
        await vera.sign_in()
        numbers = [(await ana.submit(serial=serial, title=title))["number"] for title in TITLES]
        taken = await vera.agent_act(numbers[-1], action="take")
        await vera.agent_act(numbers[-1], action="set_status", version=taken["version"], status="waiting_customer")
        yield Cases(ana.email, numbers[-1])


@pytest.fixture
async def listed(page: Page, stack: Stack, cases: Cases) -> Page:
    """The list of the company's cases, on a notebook's screen."""
    await page.set_viewport_size({"width": 1440, "height": 900})
    await begin_session(page, stack, cases.email)
    await page.goto(f"{stack.base_url}/cases")
    return page


async def resize(page: Page, width: int, height: int) -> None:
    await page.set_viewport_size({"width": width, "height": height})
    await page.reload()


def titles(page: Page) -> Locator:
    return page.locator("#list tbody a.title")


async def test_a_screen_of_900_pixels_shows_ten_whole_rows(listed: Page) -> None:
    whole = await listed.evaluate(f"{ROWS}.filter((row) => row.bottom <= innerHeight).length")
    assert whole >= 10


async def test_on_a_phone_each_case_is_a_card_of_a_few_lines(listed: Page) -> None:
    await resize(listed, 360, 740)
    heights = await listed.evaluate(f"{ROWS}.map((row) => row.height)")
    assert len(heights) == len(TITLES)
    assert max(heights) <= 90
    assert await listed.evaluate("document.documentElement.scrollWidth") == 360
    # To somebody who hears it, it is still a table.
    await expect(listed.get_by_role("table").get_by_role("row")).to_have_count(len(TITLES) + 1)


async def test_on_a_phone_the_star_covers_nothing_of_its_card(listed: Page) -> None:
    await resize(listed, 360, 740)
    gaps = await listed.evaluate("""[...document.querySelectorAll('#list tbody tr')].map((row) => {
        const box = (part) => row.querySelector(part).getBoundingClientRect();
        return [box('.marks svg').top - box('.when').bottom, box('td:first-child').top - box('.marks svg').bottom];
    })""")
    assert len(gaps) == len(TITLES)
    assert min(min(pair) for pair in gaps) >= 0


async def test_on_a_phone_the_view_that_is_open_is_in_sight(listed: Page, stack: Stack) -> None:
    await resize(listed, 360, 740)
    await listed.goto(f"{stack.base_url}/cases?view=site")
    await expect(listed.locator(".tabs [aria-current]")).to_be_in_viewport(ratio=0.95)


@pytest.mark.parametrize("width", [720, 1023])
async def test_between_phones_and_notebooks_it_stays_a_table_that_fits(listed: Page, width: int) -> None:
    await resize(listed, width, 900)
    await expect(listed.get_by_role("columnheader", name="Severity")).to_be_visible()
    assert await listed.evaluate("getComputedStyle(document.getElementById('list')).display") == "table"
    assert await listed.evaluate("document.documentElement.scrollWidth") == width
    assert await listed.evaluate("document.getElementById('list').getBoundingClientRect().right") <= width


@pytest.mark.parametrize("width", [720, 1023])
async def test_a_state_stands_in_one_line(listed: Page, width: int) -> None:
    await resize(listed, width, 900)
    heights = await listed.locator("#list .chip").evaluate_all("all => all.map((chip) => chip.offsetHeight)")
    assert len(heights) == len(TITLES)
    assert max(heights) < 30


@pytest.mark.parametrize("width", [360, 720, 1440])
async def test_more_filters_open_and_close_at_the_same_place(listed: Page, width: int) -> None:
    await resize(listed, width, 900)
    more = listed.locator(".more > summary")
    closed = await more.bounding_box()
    await more.click()
    await expect(listed.get_by_label("Created from")).to_be_visible()
    assert await more.bounding_box() == closed


async def test_its_head_stays_in_sight(listed: Page) -> None:
    await resize(listed, 1440, 500)
    await listed.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    assert await listed.locator("#list th").first.evaluate("(head) => head.getBoundingClientRect().top") == TOP_BAR


async def test_a_press_anywhere_on_a_row_opens_its_case(listed: Page, stack: Stack, cases: Cases) -> None:
    row = listed.locator("#list tr.you")
    await expect(row).to_have_count(1)
    for place in (row.locator("td").nth(2), row.locator("time")):
        box = await place.bounding_box()
        assert box is not None
        await listed.mouse.click(box["x"] + box["width"] - 1, box["y"] + box["height"] / 2)
        await expect(listed).to_have_url(f"{stack.base_url}/cases/{cases.waiting}")
        await listed.go_back()


async def test_the_exact_time_is_within_reach(listed: Page) -> None:
    shown = listed.locator("#list tbody time").first
    await shown.hover()  # fails where something lies over it
    assert re.fullmatch(r"\d\d:\d\d|Yesterday", await shown.inner_text())
    assert re.fullmatch(r"\d{1,2} \w{3} \d{4}, \d\d:\d\d", await shown.get_attribute("title") or "")


async def test_on_a_phone_the_filters_are_one_row_that_scrolls_to_the_chosen_one(listed: Page, stack: Stack) -> None:
    await resize(listed, 360, 740)
    await listed.goto(f"{stack.base_url}/cases?status=cancelled")
    row, chosen = listed.locator(".filters.scroll"), listed.locator(".filters.scroll [aria-current]")
    await expect(chosen).to_be_in_viewport()
    assert await row.evaluate("(all) => all.clientHeight") < 60
    await expect(listed.locator(".thumb-bar").get_by_role("link", name="Create a case")).to_be_in_viewport()


async def test_a_second_skip_link_leads_past_the_filters(listed: Page) -> None:
    await listed.keyboard.press("Tab")
    await listed.keyboard.press("Tab")
    skip = listed.get_by_role("link", name="Skip to the list")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport()
    await listed.keyboard.press("Enter")
    await listed.keyboard.press("Tab")
    await expect(listed.locator("#list thead a").first).to_be_focused()


async def test_keys_go_from_row_to_row_and_open_one(listed: Page) -> None:
    for key, at in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        await listed.keyboard.press(key)
        await expect(titles(listed).nth(at)).to_be_focused()
    # The ring is around the whole row, as the link is.
    assert await titles(listed).nth(1).evaluate("(link) => getComputedStyle(link, '::after').outlineStyle") == "solid"
    await listed.keyboard.press("Enter")
    await expect(listed).to_have_url(re.compile(r"/cases/\d{10}$"))


async def test_the_row_that_keys_lead_to_is_not_hidden_by_the_head(listed: Page) -> None:
    await resize(listed, 1440, 500)
    for key in ("j" * len(TITLES), "k" * len(TITLES)):
        for each in key:
            await listed.keyboard.press(each)
        title = titles(listed).nth(0 if each == "k" else len(TITLES) - 1)
        await expect(title).to_be_focused()
        box = await title.bounding_box()
        head = await listed.locator("#list th").first.bounding_box()
        assert box is not None
        assert head is not None
        assert head["y"] + head["height"] <= box["y"] <= 500 - box["height"]


async def test_keys_do_nothing_while_somebody_types_or_holds_another_key(listed: Page) -> None:
    for key in ("Control+j", "Alt+j", "Meta+j"):
        await listed.keyboard.press(key)
        await expect(listed.locator("#list :focus")).to_have_count(0)
    await listed.keyboard.press("/")
    search = listed.get_by_role("searchbox", name="Search cases")
    await expect(search).to_be_focused()
    await listed.keyboard.type("j/k?")
    await expect(search).to_have_value("j/k?")
    await expect(search).to_be_focused()


async def test_a_dialog_shows_the_keys_and_switches_them_off(listed: Page) -> None:
    await listed.keyboard.press("?")
    dialog = listed.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Use these shortcuts").uncheck()
    await listed.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await listed.reload()
    await listed.keyboard.press("j")
    await expect(listed.locator("#list :focus")).to_have_count(0)
    await listed.get_by_role("link", name="Keyboard shortcuts").click()
    await dialog.get_by_label("Use these shortcuts").check()
    await listed.keyboard.press("Escape")
    await listed.locator("h1").click()
    await listed.keyboard.press("j")
    await expect(titles(listed).first).to_be_focused()


async def test_a_star_makes_a_case_a_favourite_and_takes_it_off_again(listed: Page, cases: Cases) -> None:
    star = listed.locator(f"#star-{cases.waiting}")
    await star.press("Enter")
    await listed.wait_for_url(f"**/cases?*#star-{cases.waiting}")
    await expect(star).to_have_accessible_name(f"Remove {cases.waiting} from favourites")
    await listed.get_by_role("link", name="My favourites").click()
    await expect(titles(listed)).to_have_text(["Waits for the customer"])
    await titles(listed).click()
    await listed.get_by_role("button", name=f"Remove {cases.waiting} from favourites").click()
    await expect(listed.get_by_role("button", name=f"Add {cases.waiting} to favourites")).to_be_visible()


async def test_the_columns_that_a_person_chose_are_there_again(listed: Page, stack: Stack) -> None:
    head = listed.get_by_role("columnheader")
    await expect(head.filter(has_text="Site")).to_have_count(1)
    await listed.get_by_text("Columns", exact=True).click()
    await listed.get_by_label("Site", exact=True).and_(listed.locator("[name=column]")).uncheck()
    await listed.get_by_label("Whose turn").check()
    await listed.get_by_role("button", name="Show these columns").click()
    await listed.goto(f"{stack.base_url}/cases?sort=turn")
    await expect(head.filter(has_text="Whose turn")).to_have_attribute("aria-sort", "ascending")
    await expect(head.filter(has_text="Site")).to_have_count(0)
    await listed.get_by_text("Columns", exact=True).click()
    await listed.get_by_role("button", name="The usual ones").click()
    await expect(head.filter(has_text="Site")).to_have_count(1)


@pytest.mark.parametrize("view", ["company", "site"])
async def test_on_a_phone_groups_have_heads_and_nothing_is_wider_than_it(listed: Page, stack: Stack, view: str) -> None:
    await listed.goto(f"{stack.base_url}/cases?view={view}")
    await resize(listed, 360, 740)
    assert await listed.evaluate("document.documentElement.scrollWidth") == 360
    head = listed.get_by_role("rowheader")
    await expect(head.first).to_contain_text(str(len(TITLES)))
    await expect(head.first).to_be_visible()

"""The case form for a covered device and a complete profile: how little is asked, and that all of it is in reach."""

import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Page, expect

from deploy.local.stack import Stack
from tests.browser.walking import begin_session, end_session, unfold
from tests.builders import a_serial, an_email
from tests.e2e.portal import VENDOR_ADMIN, Visitor, a_company, join, until_true, vendor_admin_exists, visiting

MOST_FIELDS, MOST_STOPS, MOST_PIXELS, MOST_BYTES = 6, 20, 1_200, 25_000
ADDRESS = {"company_name": "Acme SA", "address_line_1": "1 rue de la Paix", "postal_code": "69001", "country": "FR"}


@dataclass(frozen=True)
class World:
    """An administrator whose main site is Lyon, and a covered device at Paris with an open case."""

    ana: Visitor
    label: str
    product_number: str
    vera: Visitor


@pytest.fixture(scope="module")
async def world(stack: Stack) -> AsyncIterator[World]:
    await vendor_admin_exists(stack)
    async with visiting(stack, an_email()) as ana, visiting(stack, VENDOR_ADMIN) as vera:
        await vera.sign_in()
        company = await a_company(vera)
        invited = {"invitations": [{"email": ana.email, "role": "company_admin"}]}
        await vera.post(f"/vendor/companies/{company['id']}/invitations", invited)
        await join(stack, ana)
        await ana.sign_in()
        main = await ana.post("/sites", {"name": "Main works", "city": "Lyon", **ADDRESS})
        other = await ana.post("/sites", {"name": "Old mill", "city": "Paris", **ADDRESS})
        await ana.complete_profile(site_id=main["id"])
        mark = secrets.token_hex(3).upper()
        label, number = f"RX42-{mark}-7F", f"RX{mark}"
        await vera.post("/vendor/products", {"product_number": number, "name": f"Rackline {mark}", "line": "Servers"})
        device = {"serial": label, "product_number": number, "company_id": company["id"], "site_id": other["id"]}
        await vera.post("/vendor/devices", device)
        cover = {"said": f"SA-{mark}", "company_id": company["id"], "level": "24x7", "serials": [label]}
        dates = {"start": "2026-01-01", "end": "2099-12-31"}
        await vera.post("/vendor/agreements", {"kind": "service_contract", **cover, **dates})
        await until_true(lambda: _is_covered(ana, label))
        await ana.submit(serial=label, title="The fan is loud")
        yield World(ana, label, number, vera)


async def _is_covered(ana: Visitor, serial: str) -> bool:
    return str((await ana.get("/coverage", serial=serial))["verdict"]) == "covered"


async def open_form(page: Page, stack: Stack, world: World, serial: str = "") -> None:
    await begin_session(page, stack, world.ana.email)
    await page.goto(f"{stack.base_url}/cases/new?serial={serial or world.label}", wait_until="networkidle")


async def test_a_covered_device_asks_for_little_and_names_its_own_site(page: Page, stack: Stack, world: World) -> None:
    sizes: list[float] = []
    browser = await page.context.new_cdp_session(page)
    await browser.send("Network.enable")
    browser.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
    await page.set_viewport_size({"width": 1440, "height": 900})
    await open_form(page, stack, world)
    assert sum(sizes) <= MOST_BYTES
    await expect(page.locator(".page-head")).to_contain_text(world.label)
    await expect(page.locator(".page-head")).to_contain_text("Covered until 31 Dec 2099")
    await expect(page.locator(".known")).to_contain_text("Old mill, Paris")
    await expect(page.get_by_role("link", name="The fan is loud")).to_be_visible()
    fields = await page.locator("main form").evaluate_all(
        "forms => new Set(forms.flatMap(form => [...form.elements]).filter(field => field.name"
        " && !['hidden', 'submit'].includes(field.type) && field.checkVisibility()).map(field => field.name)).size"
    )
    assert 0 < fields <= MOST_FIELDS
    stops = 0
    while await page.evaluate("document.activeElement.textContent.trim()") != "Submit the case":
        await page.keyboard.press("Tab")
        stops += 1
        assert stops <= MOST_STOPS
    await end_session(page, stack)


async def test_on_a_phone_the_button_is_always_there_and_the_form_short(page: Page, stack: Stack, world: World) -> None:
    await page.set_viewport_size({"width": 360, "height": 740})
    await open_form(page, stack, world)
    button = page.get_by_role("button", name="Submit the case")
    await expect(button).to_be_in_viewport(ratio=1)
    # The open case is read before the form.
    assert await page.get_by_role("link", name="The fan is loud").evaluate(
        "link => link.compareDocumentPosition(document.querySelector('#f-title')) === 4"
        " && link.getBoundingClientRect().top < document.querySelector('#f-title').getBoundingClientRect().top"
    )
    # Where the form ends, the button stands below it.
    await page.evaluate("scrollTo(0, document.body.scrollHeight)")
    bottom = await button.evaluate("button => button.getBoundingClientRect().bottom + scrollY")
    assert bottom <= MOST_PIXELS
    # What has the focus is not behind it.
    await page.get_by_label("Title", exact=True).focus()
    for _ in range(8):
        await page.keyboard.press("Tab")
        await page.wait_for_function(
            "() => document.activeElement.closest('.send') || document.activeElement.type === 'file' || "
            "document.activeElement.getBoundingClientRect().bottom <= "
            "document.querySelector('.send').getBoundingClientRect().top + 1"
        )
        if await button.evaluate("button => button === document.activeElement"):
            break
    await end_session(page, stack)


async def test_what_is_changed_below_a_line_stands_in_it(page: Page, stack: Stack, world: World) -> None:
    lists: list[str] = []
    page.on("request", lambda request: lists.append(request.url) if "countries" in request.url else None)
    await open_form(page, stack, world)
    await unfold(page, "Contact")
    await page.locator("[id='f-contact.first_name']").fill("Luc")
    await page.get_by_label("By e-mail").check()
    await expect(page.locator(".known summary", has_text="Contact").first).to_contain_text("Luc Duarte")
    await expect(page.locator(".known summary", has_text="Contact").first).to_contain_text("By e-mail")
    assert lists == []
    await unfold(page, "Location")
    place = page.locator(".known summary", has_text="Location")
    await expect(place).to_contain_text("Old mill, Paris")
    await page.get_by_label("Another address", exact=True).check()
    await page.locator("[id='f-equipment_address.city']").fill("Nantes")
    await expect(place).to_contain_text(re.compile("1 rue de la Paix.*Nantes"))
    await expect(place).not_to_contain_text("Old mill")
    await page.locator("[id='f-equipment_address.country']").select_option(label="Belgium")
    assert len(lists) == 1
    await end_session(page, stack)


async def test_products_without_serial_numbers_are_offered_by_name_while_one_types(
    page: Page, stack: Stack, world: World
) -> None:
    mark = secrets.token_hex(3)
    names = {f"Fleet {mark}": False, f"Fleet {mark} Plus": False, f"Fleet {mark} Press": True}
    for n, (name, has_serials) in enumerate(names.items()):
        product = {"product_number": f"FL{mark.upper()}{n}", "name": name, "has_serials": has_serials}
        await world.vera.post("/vendor/products", product)
    await begin_session(page, stack, world.ana.email)
    await page.goto(f"{stack.base_url}/cases/new")
    field = page.get_by_label("Serial number, contract (SAID) or product name")
    await field.press_sequentially(f"fleet {mark}")
    await expect(page.locator("#products option")).to_have_count(2)
    offered = page.locator("#products option").evaluate_all("options => options.map(({ value }) => value).sort()")
    assert await offered == [f"Fleet {mark}", f"Fleet {mark} Plus"]
    # The name that was chosen is that product alone, though the words are in another name too.
    await field.fill(f"Fleet {mark}")
    await field.press("Enter")
    await page.wait_for_url(f"**/cases/new?*product_number=FL{mark.upper()}0")
    await expect(page.locator(".page-head")).to_contain_text(f"Fleet {mark}")
    # What is no name of a product is looked up as ever.
    await page.goto(f"{stack.base_url}/cases/new")
    await field.fill(f"fleet {mark}")
    await expect(page.locator("#products option")).to_have_count(2)
    await field.press("Enter")
    await page.wait_for_url("**/cases/new?q=fleet*")
    await expect(page.get_by_role("heading", name="Did you mean one of these?")).to_be_visible()
    assert "product_number=" not in page.url
    await end_session(page, stack)


async def test_without_scripts_every_country_is_in_reach_and_nothing_typed_is_lost(
    browser: Browser, stack: Stack, world: World
) -> None:
    async with await browser.new_context(java_script_enabled=False) as context:
        context.set_default_timeout(15_000)
        page = await context.new_page()
        await open_form(page, stack, world, a_serial())
        await page.get_by_label("Title", exact=True).fill("The fan is still loud")
        await page.get_by_label("Description", exact=True).fill("It has been loud since this morning.")
        await page.get_by_label("Add files").set_input_files(
            {"name": "noise.txt", "mimeType": "text/plain", "buffer": b"brrr"}
        )
        await page.get_by_role("button", name="Show all countries").click()
        await page.get_by_label("Another address", exact=True).check()
        await page.locator("[id='f-equipment_address.country']").select_option("BE")
        await expect(page.get_by_label("noise.txt")).to_be_checked()
        await page.get_by_role("button", name="Submit the case").click()
        await expect(page).to_have_url(re.compile("/created$"))
        await expect(page.get_by_text("The fan is still loud")).to_be_visible()
        await expect(page.locator("aside")).to_contain_text("Belgium")
        await end_session(page, stack)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_files_are_chosen_with_a_button_in_the_portals_language(
    page: Page, stack: Stack, world: World, scheme: str
) -> None:
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await open_form(page, stack, world)
    await page.get_by_role("radio", name="Normal").focus()
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Add files")).to_be_focused()
    shown = await page.get_by_text("Choose files").evaluate("button => getComputedStyle(button).outlineStyle")
    assert shown == "solid"
    async with page.expect_file_chooser() as chooser:
        await page.get_by_text("Choose files").click()
    await (await chooser.value).set_files({"name": "noise.txt", "mimeType": "text/plain", "buffer": b"brrr"})
    await expect(page.get_by_role("button", name="Remove: noise.txt")).to_be_visible()
    await end_session(page, stack)


async def test_a_product_with_serials_leads_to_the_companys_own_devices(page: Page, stack: Stack, world: World) -> None:
    await begin_session(page, stack, world.ana.email)
    await page.goto(f"{stack.base_url}/cases/new")
    field = page.locator("main").get_by_label("Serial number, contract (SAID) or product name")
    await expect(field).to_be_focused()
    await page.keyboard.type(world.product_number)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("We know no device")).to_have_count(0)
    device = page.locator("li", has=page.get_by_role("link", name=world.label))
    await expect(device).to_contain_text("Covered until 31 Dec 2099")
    await page.get_by_role("link", name=world.label).click()
    await expect(page.locator("h1")).to_have_text("Describe the problem")
    await end_session(page, stack)

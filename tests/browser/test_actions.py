"""Everything that is done with a case, in a real browser: by both sides, by two people at once, by keys, on a phone."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from deploy.local.stack import Stack
from deploy.local.waiting import until
from tests.browser.test_every_page import AXE, RULES
from tests.browser.test_keyboard import fill, press, tab_to
from tests.browser.walking import a_customer, begin_session
from tests.builders import Json, an_address, an_email
from tests.e2e.portal import PASSWORD, VENDOR_ADMIN, Visitor, join, visiting

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
PHONE = "+33 4 72 00 00 42"


@dataclass(frozen=True)
class World:
    """A company with two sites, its administrator Ana, Luc, who is a member, and on the vendor's side Vera and Arno."""

    ana: Visitor
    luc: Visitor
    vera: Visitor
    arno: Visitor
    serial: str
    sites: Json  # id by name

    async def case(self, *, by: Visitor | None = None, **fields: Any) -> Json:
        """At the site Lyon."""
        place = {"site_id": self.sites["Lyon"], "equipment_address": None}
        return await (by or self.ana).submit(serial=self.serial, **place | fields)


@pytest.fixture(scope="module")
async def world(stack: Stack) -> AsyncIterator[World]:
    async with (
        visiting(stack, an_email()) as admin,
        visiting(stack, an_email("luc")) as luc,
        visiting(stack, VENDOR_ADMIN) as vera,
        visiting(stack, an_email("arno")) as arno,
    ):
        customer = await a_customer(stack, admin)
        sites = {}
        for name in ("Lyon", "Paris"):
            site = await admin.post("/sites", {"name": name, **an_address(), "city": name})
            sites[name] = site["id"]
        await admin.post("/invitations", {"invitations": [{"email": luc.email, "role": "member"}]})
        await join(stack, luc, first_name="Luc", last_name="Petit")
        await (await luc.sign_in()).complete_profile(first_name="Luc", last_name="Petit", phone="+33472000007")
        await vera.sign_in()
        vendor = (await vera.get("/session"))["user"]["company_id"]
        command = ("identity", "create-user", "--email", arno.email, "--company-id", vendor, "--role", "agent")
        names = ("--first-name", "Arno", "--last-name", "Keller")
        code, said = await stack.run_service_command(*command, *names, stdin=f"{PASSWORD}\n")
        assert code == 0, said
        arno_id = (await (await arno.sign_in()).get("/session"))["user"]["id"]

        async def is_known() -> bool:
            """Whether cases can be assigned to Arno: the event of a command is published a little later."""
            return arno_id in {each["user_id"] for each in (await vera.get("/agent/agents?limit=200"))["items"]}

        assert await until(is_known, deadline_s=60)
        yield World(admin, luc, vera, arno, customer.serial, sites)


@pytest.fixture
async def ana(page: Page, stack: Stack, world: World) -> Page:
    await begin_session(page, stack, world.ana.email)
    return page


@pytest.fixture
async def agent(page: Page, stack: Stack) -> Page:
    await begin_session(page, stack, VENDOR_ADMIN)
    return page


async def at(page: Page, stack: Stack, case: Json) -> None:
    await page.goto(f"{stack.base_url}/cases/{case['number']}")


async def choose(page: Page, name: str) -> Locator:
    """The dialog of an action, from the menu."""
    await page.locator("summary", has_text="Update this case").click()
    await page.get_by_role("link", name=name, exact=True).click()
    dialog = page.get_by_role("dialog", name=name)
    await expect(dialog).to_be_visible()
    return dialog


async def done(page: Page, said: str) -> None:
    await expect(page.get_by_role("status").filter(has_text=said)).to_be_visible()


async def history(page: Page, said: str | re.Pattern[str]) -> None:
    await expect(page.locator("#newest")).to_contain_text(said)


# By the customer


async def test_the_contact_becomes_a_colleague_and_the_other_contact_is_typed_and_removed(
    ana: Page, stack: Stack, world: World
) -> None:
    case = await world.case()
    await at(ana, stack, case)
    dialog = await choose(ana, "Change the contact")
    await expect(dialog.get_by_label("First name")).to_have_value(case["contact"]["first_name"])
    await dialog.get_by_label("Somebody of the company").check()
    await expect(dialog.get_by_label("First name")).to_be_hidden()
    await dialog.get_by_label("Person", exact=True).select_option(label=f"Luc Petit · {world.luc.email}")
    await dialog.get_by_role("button", name="Change the contact").click()
    await done(ana, "The contact is changed.")
    await history(ana, re.compile("Ana Duarte.* changed the contact from .*Luc Petit"))
    contact = (await world.ana.get(f"/cases/{case['number']}"))["contact"]
    assert (contact["email"], contact["user_id"] is not None) == (world.luc.email, True)
    dialog = await choose(ana, "Add another contact")
    for label, text in (
        ("First name", "Eva"),
        ("Last name", "Roy"),
        ("E-mail address", "eva@example.com"),
        ("Phone", PHONE),
    ):
        await dialog.get_by_label(label, exact=True).fill(text)
    await dialog.get_by_role("button", name="Add another contact").click()
    await done(ana, "The other contact is saved.")
    await history(ana, re.compile("added .*Eva Roy.* as other contact"))
    dialog = await choose(ana, "Change the other contact")
    await expect(dialog.get_by_label("First name")).to_have_value("Eva")
    await dialog.get_by_label("Nobody: remove the other contact").check()
    await dialog.get_by_role("button", name="Change the other contact").click()
    await history(ana, re.compile("removed .*Eva Roy.* as other contact"))


async def test_the_site_and_where_parts_go_are_changed(ana: Page, stack: Stack, world: World) -> None:
    case = await world.case()
    await at(ana, stack, case)
    dialog = await choose(ana, "Change the place")
    await expect(dialog.get_by_label("One of our sites")).to_be_checked()
    await dialog.get_by_label("Site", exact=True).select_option(label="Paris, Paris")
    await dialog.get_by_role("button", name="Change the place").click()
    await done(ana, "The place is changed.")
    await history(ana, re.compile("changed the place of the equipment from .*Lyon.* to .*Paris"))
    dialog = await choose(ana, "Change the shipping address")
    await expect(dialog.get_by_label("Parts go to the equipment")).to_be_checked()
    await dialog.get_by_label("Parts go to another address").check()
    await dialog.get_by_label("Address", exact=True).fill("5 rue du Port")
    await dialog.get_by_role("button", name="Change the shipping address").click()
    await done(ana, "The shipping address is changed.")
    await history(ana, re.compile("has parts shipped to .*5 rue du Port"))
    dialog = await choose(ana, "Change the shipping address")
    await dialog.get_by_label("Parts go to the equipment").check()
    await dialog.get_by_role("button", name="Change the shipping address").click()
    await history(ana, re.compile("has parts shipped to the equipment, no longer to .*5 rue du Port"))


async def test_a_callback_is_requested_moved_and_cancelled(ana: Page, stack: Stack, world: World) -> None:
    await at(ana, stack, await world.case())
    dialog = await choose(ana, "Request a callback")
    await dialog.get_by_role("button", name="Request a callback").click()
    await done(ana, "The callback is requested.")
    line = ana.locator(".asked")
    await expect(line).to_contain_text("Callback requested: as soon as possible, to")
    await line.get_by_role("link", name="change").click()
    dialog = ana.get_by_role("dialog", name="Change the callback")
    await dialog.get_by_label("At a certain time").check()
    await expect(dialog.get_by_text("Times are those of Paris (Europe)")).to_be_visible()
    await dialog.get_by_label("Day").fill(TOMORROW)
    await dialog.get_by_label("From").fill("12:00")
    await dialog.get_by_label("To", exact=True).fill("10:00")
    await dialog.get_by_label("Number to call").fill(PHONE)
    await dialog.get_by_role("button", name="Change the callback").click()
    await expect(dialog.locator("#errors")).to_be_focused()
    await expect(dialog.locator("#errors")).to_contain_text("To: The end is before the start.")
    await dialog.get_by_label("To", exact=True).fill("14:00")
    await dialog.get_by_role("button", name="Change the callback").click()
    await done(ana, "The callback is changed.")
    await expect(line).to_contain_text(
        re.compile(r"Callback requested: \w+ \d+ \w+, 12:00–14:00, to \+33 4 72 00 00 42")
    )
    await line.get_by_role("link", name="cancel").click()
    dialog = ana.get_by_role("dialog", name="Cancel the callback")
    await dialog.get_by_role("button", name="Cancel the callback").click()
    await done(ana, "The callback is cancelled.")
    await expect(line).to_have_count(0)
    await history(ana, re.compile("cancelled the callback: .*12:00–14:00"))


async def test_an_escalation_is_requested(ana: Page, stack: Stack, world: World) -> None:
    await at(ana, stack, await world.case())
    dialog = await choose(ana, "Request an escalation")
    await dialog.get_by_label("Reason").fill("Production stands still.")
    await dialog.get_by_role("button", name="Request an escalation").click()
    await done(ana, "The escalation is requested.")
    await expect(ana.locator(".asked")).to_have_text(
        re.compile("Escalation requested: a support agent accepts or declines")
    )
    await history(ana, "Production stands still.")


async def test_a_case_becomes_confidential_and_visible_again(ana: Page, stack: Stack, world: World) -> None:
    case = await world.case()
    assert (await world.luc.call("GET", f"/cases/{case['number']}")).status == 200
    await at(ana, stack, case)
    dialog = await choose(ana, "Mark as confidential")
    await expect(dialog).to_contain_text("only the people on the case, the company’s administrators and support see it")
    await dialog.get_by_role("button", name="Mark as confidential").click()
    await done(ana, "The case is confidential.")
    assert (await world.luc.call("GET", f"/cases/{case['number']}")).status == 404
    dialog = await choose(ana, "No longer confidential")
    await dialog.get_by_role("button", name="Make it visible again").click()
    await done(ana, "The case is no longer confidential.")
    assert (await world.luc.call("GET", f"/cases/{case['number']}")).status == 200


async def test_a_case_is_made_severe_closed_reopened_and_cancelled(ana: Page, stack: Stack, world: World) -> None:
    await at(ana, stack, await world.case())
    dialog = await choose(ana, "Change the severity")
    await expect(dialog.get_by_label("Severity")).to_have_value("3")
    await dialog.get_by_label("Severity").select_option("1")
    await dialog.get_by_role("button", name="Change the severity").click()
    await done(ana, "The severity is changed.")
    await history(ana, "changed the severity from Normal to Critical")
    dialog = await choose(ana, "Close the case")
    await dialog.get_by_label("Reason").fill("It works again.")
    await dialog.get_by_label("Yes").check()
    await dialog.get_by_role("button", name="Close the case").click()
    await done(ana, "The case is closed.")
    await ana.locator(".turn").get_by_role("link", name="Reopen the case").click()
    dialog = ana.get_by_role("dialog", name="Reopen the case")
    await dialog.get_by_label("Reason").fill("It does not.")
    await dialog.get_by_role("button", name="Reopen the case").click()
    await done(ana, "The case is open again.")
    dialog = await choose(ana, "Cancel the case")
    await dialog.get_by_label("Reason").fill("We bought another one.")
    await dialog.get_by_role("button", name="Cancel the case").click()
    await done(ana, "The case is cancelled.")


async def test_a_follow_up_leads_to_the_new_case(ana: Page, stack: Stack, world: World) -> None:
    case = await world.case()
    await world.ana.act(case["number"], action="cancel", version=1, reason="We bought another one.")
    await at(ana, stack, case)
    await ana.locator(".turn").get_by_role("link", name="Create a follow-up").click()
    dialog = ana.get_by_role("dialog", name="Create a follow-up")
    await expect(dialog).to_contain_text("A new case for the same equipment")
    await expect(dialog.get_by_label("Title", exact=True)).to_have_value(case["title"])
    await dialog.get_by_label("Description", exact=True).fill("The other one jams in the same way.")
    await dialog.get_by_role("button", name="Create the follow-up").click()
    await done(ana, "The follow-up is created.")
    number = re.search(r"\d{10}", ana.url)
    assert number is not None
    assert number[0] != case["number"]
    followed = await world.ana.get(f"/cases/{number[0]}")
    assert (followed["follow_up_of"], followed["serial"]) == (case["number"], case["serial"])


# By an agent


async def test_an_agent_takes_assigns_and_moves_a_case(agent: Page, stack: Stack, world: World) -> None:
    case = await world.case()
    await at(agent, stack, case)
    dialog = await choose(agent, "Take the case")
    await dialog.get_by_role("button", name="Take the case").click()
    await done(agent, "You have taken the case.")
    dialog = await choose(agent, "Change the status")
    await dialog.get_by_label("Status").select_option(label="Waiting for the customer")
    await dialog.get_by_role("button", name="Change the status").click()
    await done(agent, "The status is changed.")
    await history(agent, "changed the status to Waiting for the customer")
    dialog = await choose(agent, "Assign the case")
    await dialog.get_by_label("Support agent").select_option(label="Arno Keller")
    await dialog.get_by_role("button", name="Assign the case").click()
    await done(agent, "The case is assigned.")
    await history(agent, re.compile("assigned the case to .*Arno Keller"))


async def test_an_agent_confirms_a_callback_and_makes_it(agent: Page, stack: Stack, world: World) -> None:
    case = await world.case()
    at_ten = {"from": f"{TOMORROW}T10:00:00Z", "to": f"{TOMORROW}T12:00:00Z"}
    await world.ana.act(case["number"], action="request_callback", at=at_ten, phone=PHONE)
    await at(agent, stack, case)
    line = agent.locator(".asked")
    await expect(line).to_contain_text("Callback to be confirmed")
    await line.get_by_role("link", name="confirm").click()
    dialog = agent.get_by_role("dialog", name="Confirm the callback")
    await dialog.get_by_label("At another time").check()
    await dialog.get_by_label("To", exact=True).fill("23:00")
    await dialog.get_by_label("From").fill("22:00")
    await dialog.get_by_role("button", name="Confirm the callback").click()
    await done(agent, "The callback is confirmed.")
    await expect(line).to_contain_text(re.compile("Callback confirmed: .*22:00–23:00"))
    await line.get_by_role("link", name="done").click()
    dialog = agent.get_by_role("dialog", name="The callback is done")
    await dialog.get_by_label("Message").fill("We talked about the roller.")
    await dialog.get_by_role("button", name="The callback is done").click()
    await done(agent, "The callback is done.")
    await expect(line).to_have_count(0)
    await history(agent, "We talked about the roller.")


async def test_an_agent_declines_and_later_accepts_an_escalation(agent: Page, stack: Stack, world: World) -> None:
    case = await world.case()
    await world.ana.act(case["number"], action="request_escalation", reason="Production stands still.")
    await at(agent, stack, case)
    line = agent.locator(".asked")
    await line.get_by_role("link", name="decline").click()
    dialog = agent.get_by_role("dialog", name="Decline the escalation")
    await dialog.get_by_role("button", name="Decline the escalation").click()
    await expect(dialog.locator("#errors")).to_contain_text("Message: Write a message.")
    await dialog.get_by_label("Message").fill("The part comes tomorrow.")
    await dialog.get_by_role("button", name="Decline the escalation").click()
    await done(agent, "The escalation is declined.")
    await history(agent, "The part comes tomorrow.")
    await world.ana.act(case["number"], action="request_escalation", reason="It did not come.")
    await agent.reload()
    await line.get_by_role("link", name="accept").click()
    dialog = agent.get_by_role("dialog", name="Accept the escalation")
    await dialog.get_by_role("button", name="Accept the escalation").click()
    await done(agent, "The escalation is accepted.")
    await expect(line).to_contain_text("accepted it.")


# Two people at once


async def test_two_people_who_change_different_things_lose_neither(ana: Page, stack: Stack, world: World) -> None:
    case = await world.case()
    await at(ana, stack, case)
    dialog = await choose(ana, "Change the contact")
    await dialog.get_by_label("First name").fill("Eva")
    await world.vera.act(case["number"], action="change_site", version=1, site_id=world.sites["Paris"])
    await dialog.get_by_role("button", name="Change the contact").click()
    summary = dialog.locator("#errors")
    await expect(summary).to_be_focused()
    await expect(summary).to_contain_text("Somebody changed this case in the meantime.")
    await expect(summary).to_contain_text(re.compile("changed the place of the equipment from .*Lyon.* to .*Paris"))
    await expect(dialog.get_by_label("First name")).to_have_value("Eva")
    await dialog.get_by_role("button", name="Change the contact").click()
    await done(ana, "The contact is changed.")
    now = await world.ana.get(f"/cases/{case['number']}")
    assert (now["contact"]["first_name"], now["site_name"]) == ("Eva", "Paris")


async def test_whoever_opens_a_dialog_of_an_old_page_reads_what_has_happened(
    ana: Page, stack: Stack, world: World
) -> None:
    case = await world.case()
    await at(ana, stack, case)
    await world.vera.act(case["number"], action="change_severity", version=1, severity=1)
    dialog = await choose(ana, "Change the severity")
    await expect(dialog.get_by_role("status")).to_contain_text("changed the severity from Normal to Critical")
    await expect(dialog.get_by_label("Severity")).to_have_value("1")


async def test_what_was_typed_for_a_case_that_was_closed_meanwhile_is_not_lost(
    ana: Page, stack: Stack, world: World
) -> None:
    case = await world.case()
    await at(ana, stack, case)
    dialog = await choose(ana, "Request an escalation")
    await dialog.get_by_label("Reason").fill("Production stands still.")
    await world.vera.agent_act(case["number"], action="close", version=1, resolution="A new roller.")
    await dialog.get_by_role("button", name="Request an escalation").click()
    await expect(dialog.locator("#errors")).to_contain_text("The escalation was not requested")
    await expect(dialog.locator("#errors")).to_contain_text("closed the case")
    await expect(dialog).to_contain_text("Production stands still.")
    await expect(dialog.get_by_role("button")).to_have_count(0)


async def test_what_was_typed_for_a_case_that_is_out_of_sight_meanwhile_is_not_lost(
    page: Page, stack: Stack, world: World
) -> None:
    contact = {"first_name": "Luc", "last_name": "Petit", "email": world.luc.email, "phone": "+33472000007"}
    case = await world.case(contact=contact)
    await begin_session(page, stack, world.luc.email)
    await at(page, stack, case)
    await page.locator("#comment-text").fill("It jams again since noon.")
    marked = await world.ana.act(case["number"], action="mark_confidential")
    eva = {"first_name": "Eva", "last_name": "Roy", "email": "eva@example.com", "phone": "+33472000008"}
    await world.ana.act(case["number"], action="change_contact", version=marked["version"], contact=eva)
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator("h1")).to_have_text("Page not found")
    await expect(page.locator("dd")).to_have_text("It jams again since noon.")


async def test_of_two_agents_who_take_a_case_one_is_told_who_has_it(agent: Page, stack: Stack, world: World) -> None:
    case = await world.case()
    await at(agent, stack, case)
    dialog = await choose(agent, "Take the case")
    await world.arno.agent_act(case["number"], action="take")
    await dialog.get_by_role("button", name="Take the case").click()
    await expect(dialog.locator("#errors")).to_contain_text("Another agent has taken this case.")
    await expect(dialog.locator("#errors")).to_contain_text(re.compile("Arno Keller.* took the case"))


# However it is used


async def test_a_callback_is_requested_by_keyboard_alone(ana: Page, stack: Stack, world: World) -> None:
    await at(ana, stack, await world.case())
    await press(ana, ana.locator("summary", has_text="Update this case"))
    await press(ana, ana.get_by_role("link", name="Request a callback", exact=True))
    dialog = ana.get_by_role("dialog", name="Request a callback")
    await tab_to(ana, dialog.get_by_label("As soon as possible"))
    await fill(ana, dialog.get_by_label("Number to call"), PHONE)
    await ana.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(ana.locator("summary", has_text="Update this case")).to_be_focused()
    await press(ana, ana.locator("summary", has_text="Update this case"))
    await press(ana, ana.get_by_role("link", name="Request a callback", exact=True))
    await fill(ana, dialog.get_by_label("Number to call"), PHONE)
    await press(ana, dialog.get_by_role("button", name="Request a callback"))
    await done(ana, "The callback is requested.")


async def trouble_in(page: Page, part: str, place: str) -> list[str]:
    await expect(page.locator(part).locator("form[action*='/do/']")).to_be_visible()
    wide = await page.locator(part).evaluate("element => element.scrollWidth > element.clientWidth")
    return [f"{place}: wider than its place"] if wide else []


@pytest.mark.parametrize("scripts", [True, False])
async def test_on_a_phone_every_form_fits_and_no_rule_of_accessibility_is_broken(
    browser: Browser, stack: Stack, world: World, *, scripts: bool
) -> None:
    """Without scripts each form is a page; with them, a dialog. In French, whose words are longer."""
    case = await world.case()
    requested = await world.ana.act(case["number"], action="request_callback", at="now", phone=PHONE)
    await world.ana.act(case["number"], action="request_escalation", reason="Production stands still.")
    assert requested["callback"] is not None
    async with await browser.new_context(
        java_script_enabled=scripts, viewport={"width": 360, "height": 740}, locale="fr-FR", reduced_motion="reduce"
    ) as context:
        context.set_default_timeout(30_000)
        page = await context.new_page()
        await begin_session(page, stack, VENDOR_ADMIN)
        await page.goto(f"{stack.base_url}/cases/{case['number']}")
        menu = page.locator(".page-head .menu")
        links = menu.locator("a[data-act]")
        places = await links.evaluate_all("links => links.map((link) => link.getAttribute('href'))")
        assert len(places) > 12
        trouble = []
        for place in places:
            if scripts:
                await page.goto(f"{stack.base_url}/cases/{case['number']}")
                await menu.locator("summary").click()
                await menu.locator(f"a[href='{place}']").click()
                trouble += await trouble_in(page, "dialog:modal", place)
                await page.evaluate(f"{AXE.axe_script};0")
                found = await page.evaluate("rules => axe.run(rules).then(found => found.violations)", RULES)
                trouble += [
                    f"{place}: {one['id']} {[node['html'][:100] for node in one['nodes'][:2]]}" for one in found
                ]
            else:
                await page.goto(f"{stack.base_url}{place}")
                trouble += await trouble_in(page, "html", place)
        assert trouble == []


async def test_a_severity_is_changed_in_french_without_scripts(browser: Browser, stack: Stack, world: World) -> None:
    case = await world.case(by=world.luc)
    async with await browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740}) as context:
        page = await context.new_page()
        await begin_session(page, stack, world.luc.email)
        await at(page, stack, case)
        await page.locator("button[name=to][value=fr]").first.click()
        await page.locator("summary", has_text="Mettre à jour ce dossier").click()
        await page.get_by_role("link", name="Modifier la gravité").click()
        await expect(page.locator("h1")).to_have_text("Modifier la gravité")
        await page.get_by_label("Gravité").select_option("1")
        await page.get_by_role("button", name="Modifier la gravité").click()
        await expect(page.locator("#newest")).to_contain_text("a modifié la gravité")
        await page.locator("button[name=to][value=en]").first.click()

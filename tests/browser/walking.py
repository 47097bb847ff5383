"""Every page of the portal by its address, with what has to be there for it, for tests that look at all of them."""

import re
import secrets
from dataclasses import dataclass

from playwright.async_api import Page

from deploy.local.stack import Stack
from tests.builders import a_serial, an_email
from tests.e2e.portal import (
    PASSWORD,
    VENDOR_ADMIN,
    Visitor,
    a_company,
    join,
    link_in,
    mail_for,
    until_true,
    vendor_admin_exists,
    visiting,
)

# Its check digit is right, and no case will ever have it.
NOBODYS_NUMBER = "9999999990"


@dataclass(frozen=True)
class Customer:
    """A company's administrator with a complete profile, and a device of the company."""

    admin: Visitor
    serial: str


@dataclass(frozen=True)
class World:
    """A customer with a covered device, a site, a case of each kind, and somebody invited."""

    admin_email: str
    serial: str
    number: str
    closed_number: str
    invitation_code: str
    unsubscribe_token: str

    @property
    def public_pages(self) -> dict[str, str]:
        return {
            "start-public": "/",
            "sign-in": "/sign-in",
            "sign-in-for-a-device": f"/sign-in?next=/cases/new%3Fserial%3D{self.serial}",
            "verify": "/verify?email=ana@example.com",
            "verify-again": "/verify?email=ana@example.com&again=1",
            "sign-in-not-kept": "/signed-in?next=/cases",
            "invitation": f"/invitations/{self.invitation_code}",
            "invitation-gone": "/invitations/nothing",
            "help": "/help",
            "components": "/components",
            "unsubscribe": f"/unsubscribe/{self.unsubscribe_token}",
            "unsubscribe-broken": "/unsubscribe/nothing",
            "nothing": "/nothing",
        }

    @property
    def pages(self) -> dict[str, str]:
        return {
            "start": "/",
            "cases": "/cases",
            "cases-empty": "/cases?view=waiting",
            "cases-by-site": "/cases?view=company",
            "cases-found": "/cases?q=tray&sort=-title",
            "cases-filtered-wrongly": "/cases?created_from=never&status=exploded&cursor=x",
            "cases-number-mistyped": "/cases?q=1000000008",
            "exports": "/cases/exports",
            "turn-times": "/cases/turn-times",
            "turn-times-wrongly": "/cases/turn-times?created_from=2001-01-01",
            "case": f"/cases/{self.number}",
            "case-closed": f"/cases/{self.closed_number}",
            "case-created": f"/cases/{self.number}/created",
            "do-contact": f"/cases/{self.number}/do/change_contact",
            "do-place": f"/cases/{self.number}/do/change_site?version=1",
            "do-callback": f"/cases/{self.number}/do/request_callback",
            "do-nothing": f"/cases/{self.closed_number}/do/cancel",
            "new-start": "/cases/new",
            "new-for": "/cases/new/for",
            "new-unsure": "/cases/new?q=zzz",
            "new-form": f"/cases/new?serial={self.serial}",
            "profile": "/profile",
            "invitation-of-somebody-else": f"/invitations/{self.invitation_code}",
            "sign-in-of-somebody-else": "/sign-in?email=luc@example.com&verified=1",
            "profile-notices": "/profile?done=notices#notices",
            "sites": "/sites",
            "sites-add": "/sites#add",
            "users": "/users",
            "users-invite": "/users#invite",
            "missing": f"/cases/{NOBODYS_NUMBER}",
        }

    @property
    def vendors_pages(self) -> dict[str, str]:
        """What the vendor's side sees otherwise."""
        return {
            "vendor-start": "/",
            "vendor-cases": "/cases",
            "vendor-cases-by-company": "/cases?view=company",
            "vendor-turn-times": "/cases/turn-times",
            "vendor-case": f"/cases/{self.number}",
            "vendor-queue": "/queue?queue=open",
            "vendor-queue-filtered": "/queue?queue=callbacks&severity=1&pin=A+B",
            "vendor-queue-case": f"/queue?queue=open&case={self.number}",
            "vendor-do-status": f"/cases/{self.number}/do/set_status",
            "vendor-exports": "/cases/exports",
            "vendor-new-for": "/cases/new/for",
            "vendor-users": "/users",
            "vendor-profile": "/profile",
        }


async def a_customer(stack: Stack, admin: Visitor) -> Customer:
    """Through the API, as people would."""
    await vendor_admin_exists(stack)
    serial, product_number = a_serial(), f"LP{secrets.token_hex(4)}"
    async with visiting(stack, VENDOR_ADMIN) as vera:
        await vera.sign_in()
        company = await a_company(vera)
        invited = {"invitations": [{"email": admin.email, "role": "company_admin"}]}
        await vera.post(f"/vendor/companies/{company['id']}/invitations", invited)
        await vera.post("/vendor/products", {"product_number": product_number, "name": "LaserPress 600"})
        device = {"serial": serial, "product_number": product_number, "company_id": company["id"]}
        await vera.post("/vendor/devices", device)
    await join(stack, admin)
    await admin.sign_in()
    await admin.complete_profile()
    return Customer(admin, serial)


async def make_world(stack: Stack) -> World:
    """As `a_customer`, with cases."""
    email = an_email()
    async with visiting(stack, VENDOR_ADMIN) as vera, visiting(stack, email) as ana:
        serial = (await a_customer(stack, ana)).serial
        await vera.sign_in()
        number = await _a_lively_case(vera, ana, serial)
        closed = await ana.submit(serial=serial, title="Closed again")
        await ana.act(closed["number"], action="close", version=1, reason="It works again.", resolved=True)
        export = await ana.post("/cases/exports", {"format": "xlsx", "query": {"status": "open", "q": "tray"}})

        async def is_made() -> bool:
            return bool((await ana.get(f"/cases/exports/{export['id']}"))["state"] == "done")

        # Else its page would be another one a moment later.
        await until_true(is_made)
        guest = an_email("guest")
        await ana.post("/invitations", {"invitations": [{"email": guest, "role": "member"}]})
        code = link_in(await mail_for(stack, guest), "invitations")
        token = link_in(await mail_for(stack, email, about=number), "unsubscribe")
    return World(email, serial, number, closed["number"], code, token)


async def _a_lively_case(vera: Visitor, ana: Visitor, serial: str) -> str:
    number = str((await ana.submit(serial=serial))["number"])
    await vera.agent_act(number, action="take")
    replied = await vera.agent_act(number, action="reply", text="Please send the event log.")
    await vera.agent_act(number, action="set_status", version=replied["version"], status="waiting_customer")
    return number


async def unfold(page: Page, part: str) -> None:
    """Opens one of the lines of the case form that say what is known: Contact, Where it stands, More details."""
    folded = page.locator(".known > details:not([open]) > summary", has_text=part)
    if await folded.count():
        await folded.click()


async def sign_in(page: Page, stack: Stack, email: str) -> None:
    """By the form's field names, whatever the language."""
    await page.goto(f"{stack.base_url}/sign-in")
    await page.locator("input[name=email]").fill(email)
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.locator("main form button.primary").click()
    await page.wait_for_url(re.compile(r"/$"))


async def begin_session(page: Page, stack: Stack, email: str) -> None:
    """Over the API, into the page's cookies: for tests of what comes after signing in."""
    answer = await page.request.post(f"{stack.base_url}/api/v1/session", data={"email": email, "password": PASSWORD})
    assert answer.status == 201, await answer.text()


async def end_session(page: Page, stack: Stack) -> None:
    """Whoever has no session any more has ended it already. Of one login only so many sessions stay alive."""
    api = f"{stack.base_url}/api/v1/session"
    answer = await page.request.get(api)
    if answer.ok:
        token = (await answer.json())["csrf_token"]
        await page.request.delete(api, headers={"X-CSRF-Token": token})

"""What people change about themselves holds at once, through any gateway; and newcomers are spoken to as they read."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from deploy.local.stack import Stack
from services.gateway.app import create_app, with_hints
from services.gateway.clients import SERVICES
from services.gateway.session import SESSIONS, Sessions
from services.gateway.settings import GatewaySettings
from tests.builders import TEST_SECRET, Json, an_email
from tests.client import CheckedResponse
from tests.e2e.conftest import NewCustomer
from tests.e2e.portal import PASSWORD, Deployed, Visitor, a_company, link_in, mail_for, until_true, visiting
from tests.service.gateway.stand_ins import NAMES, a_portal
from tests.unbounded import UNBOUNDED


@dataclass(frozen=True)
class Beside:
    """The same stack through a second gateway."""

    stack: Stack
    local_url: str

    async def mails(self, to: str = "") -> list[Json]:
        return await self.stack.mails(to)

    async def run_service_command(self, *words: str, stdin: str = "") -> tuple[int, str]:
        return await self.stack.run_service_command(*words, stdin=stdin)


@pytest.fixture
async def other_gateway(stack: Stack) -> AsyncIterator[Beside]:
    urls = {name: stack.environment[f"{name.upper()}_URL"] for name in NAMES}
    # A replica has the portal's address, not one of its own: the cookies are named after it.
    portal = await a_portal(urls, PORTICO_BASE_URL=stack.base_url)
    yield Beside(stack, str(portal.make_url("/")).rstrip("/"))
    await portal.close()


def through(there: Deployed, visitor: Visitor) -> Visitor:
    """The same browser, whose next request comes to another gateway."""
    other = Visitor(there, visitor._http, visitor.email)
    other._csrf = visitor._csrf
    return other


@pytest.mark.parametrize("way", ["the same gateway", "another gateway"])
async def test_mails_of_a_case_go_to_the_contact_address_that_was_saved_a_moment_before(
    stack: Stack, other_gateway: Beside, new_customer: NewCustomer, way: str
) -> None:
    ana = (await new_customer()).admin
    next_door = through(other_gateway if way == "another gateway" else stack, ana)
    # Both have just heard of the session as it was.
    await ana.get("/session")
    await next_door.get("/session")
    contact = an_email("contact")
    await ana.complete_profile(email=contact)
    case = await next_door.submit(title="Paper jam after moving house")
    await mail_for(stack, contact, about=case["number"])
    assert not [mail for mail in await stack.mails(ana.email) if case["number"] in mail["subject"]]


async def test_one_press_changes_the_language_of_pages_at_once_and_of_later_mails(
    stack: Stack, new_customer: NewCustomer
) -> None:
    ana = (await new_customer()).admin
    form = {"to": "fr", "next": "/help", "csrf_token": ana._csrf}
    async with ana._http.post(f"{stack.local_url}/language", data=form) as page:
        assert (page.status, page.url.path) == (200, "/help")
        assert '<html lang="fr">' in await page.text()
    case = await ana.submit()
    mail = await mail_for(stack, ana.email, about=case["number"])
    assert "Le dossier" in mail["text"]


@pytest.fixture
async def hinted_gateway(stack: Stack) -> AsyncIterator[Beside]:
    """A second gateway that believes identity for a minute, unless it is told of a change."""
    environment = {**stack.environment, **UNBOUNDED}
    settings = GatewaySettings.model_validate(environment | {"PORTICO_SECRET_KEY": TEST_SECRET})
    app = create_app(settings)
    app[SESSIONS] = Sessions(app[SERVICES], fresh_s=60)
    bus = with_hints(app, settings)
    async with TestServer(app) as server:
        await until_true(lambda: asyncio.sleep(0, bus.hears_hints), within_s=30)
        yield Beside(stack, str(server.make_url("/")).rstrip("/"))


async def test_another_gateway_shows_an_own_change_as_soon_as_it_is_told(
    hinted_gateway: Beside, new_customer: NewCustomer
) -> None:
    ana = (await new_customer()).admin
    next_door = through(hinted_gateway, ana)
    await next_door.get("/session")
    await ana.complete_profile(first_name="Anabela")

    async def is_shown() -> bool:
        return bool((await next_door.get("/session"))["user"]["name"] == "Anabela Duarte")

    await until_true(is_shown, within_s=30)


async def test_another_gateway_ends_with_a_session_as_soon_as_it_is_told(
    hinted_gateway: Beside, new_customer: NewCustomer
) -> None:
    ana = (await new_customer()).admin
    next_door = through(hinted_gateway, ana)
    await next_door.get("/session")
    # The other browser window keeps the cookie of the session that is over.
    cookies = {cookie.key: cookie.value for cookie in ana._http.cookie_jar}
    assert (await ana.call("DELETE", "/session")).status == 204
    async with aiohttp.ClientSession(
        cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True), response_class=CheckedResponse
    ) as window:

        async def is_over() -> bool:
            async with window.get(f"{hinted_gateway.local_url}/api/v1/session") as answer:
                return answer.status == 401

        await until_true(is_over, within_s=30)


@pytest.mark.parametrize("chosen", ["by the browser", "on the page"])
async def test_a_newcomer_who_reads_french_is_written_to_in_french_and_finds_the_portal_in_french(
    stack: Stack, vendor: Visitor, chosen: str
) -> None:
    company = await a_company(vendor)
    email = an_email("luc")
    invited = {"invitations": [{"email": email, "role": "company_admin"}]}
    await vendor.post(f"/vendor/companies/{company['id']}/invitations", invited)
    path = f"/invitations/{link_in(await mail_for(stack, email, about='invit'), 'invitations')}"
    headers = {"Accept-Language": "fr" if chosen == "by the browser" else "en"}
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True), headers=headers, response_class=CheckedResponse
    ) as browser:
        if chosen == "on the page":
            await browser.post(f"{stack.local_url}/language", data={"to": "fr", "next": path})
        async with browser.get(stack.local_url + path) as page:
            assert '<html lang="fr">' in await page.text()
        typed = {"first_name": "Luc", "last_name": "Petit", "password": PASSWORD}
        async with browser.post(stack.local_url + path, data=typed) as page:
            assert page.status == 200, await page.text()
    mail = await mail_for(stack, email, about="vérif")
    code = re.search(r"\b\d{6}\b", mail["text"])
    assert code is not None
    async with visiting(stack, email) as luc:
        await luc.post("/registrations/verify", {"email": email, "code": code[0]})
        await luc.sign_in()
        assert (await luc.get("/session"))["user"]["language"] == "fr"
        assert (await luc.get("/profile"))["language"] == "fr"

"""People who use Portico through its JSON API, and the mails they get."""

import asyncio
import re
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import monotonic
from typing import Any, Protocol, Self
from weakref import WeakSet

import aiohttp

from deploy.local.waiting import until
from tests.builders import Json, a_contact, an_address
from tests.client import Answer, CheckedResponse, answer_of
from tests.sse import Events, following

PASSWORD = "correct horse battery staple"
VENDOR_ADMIN = "vera.vendor@portico.example"
# Whom visitors believe; whoever tests behind a proxy with an authority of its own adds that.
TRUSTED = ssl.create_default_context()
_with_vendor_admin: WeakSet["Deployed"] = WeakSet()


class Deployed(Protocol):
    """A running portal, however it was started: `make run`'s stack, or containers."""

    @property
    def local_url(self) -> str: ...

    async def mails(self, to: str = "") -> list[Json]: ...

    async def run_service_command(self, *words: str, stdin: str = "") -> tuple[int, str]: ...


class Visitor:
    """A browser's worth of cookies in front of the portal; signed in or not."""

    def __init__(self, stack: Deployed, http: aiohttp.ClientSession, email: str = "") -> None:
        self.stack = stack
        self.email = email
        self._http = http
        self._csrf = ""

    async def call(self, method: str, path: str, **request: Any) -> Answer:
        headers = {"X-CSRF-Token": self._csrf} if self._csrf else {}
        headers |= request.pop("headers", {})
        url = f"{self.stack.local_url}/api/v1{path}"
        async with self._http.request(method, url, headers=headers, **request) as response:
            return await answer_of(response)

    async def page(self, path: str) -> str:
        """A page of the portal, as HTML."""
        async with self._http.get(f"{self.stack.local_url}{path}") as response:
            assert response.status == 200, path
            return await response.text()

    async def led_to(self, path: str) -> tuple[int, str]:
        """The status of a page, and where it leads on to."""
        url = f"{self.stack.local_url}{path}"
        async with self._http.get(url, allow_redirects=False) as response:
            # A file that nobody reads to its end is still being made.
            await response.read()
            return response.status, response.headers.get("Location", "")

    def following(self) -> AbstractAsyncContextManager[Events]:
        """What happens from now on to the cases that this visitor sees."""
        return following(self._http, f"{self.stack.local_url}/api/v1/events", {})

    async def get(self, path: str, **query: Any) -> Any:
        return self._good(await self.call("GET", path, params=query))

    async def post(self, path: str, body: Json, **request: Any) -> Any:
        """What was made a moment ago in one service is on its way to the others: that is waited for."""
        give_up_at = monotonic() + 30
        while True:
            answer = await self.call("POST", path, json=body, **request)
            if answer.status != 422 or answer.code != "not_yet_known" or monotonic() > give_up_at:
                return self._good(answer)
            await asyncio.sleep(0.5)

    async def put(self, path: str, body: Json, **request: Any) -> Any:
        return self._good(await self.call("PUT", path, json=body, **request))

    @staticmethod
    def _good(answer: Answer) -> Any:
        assert answer.status < 300, (answer.status, answer.body)
        return answer.body

    async def sign_in(self, password: str = PASSWORD) -> Self:
        session = await self.post("/session", {"email": self.email, "password": password})
        self._csrf = session["csrf_token"]
        return self

    async def complete_profile(self, **other: Any) -> Json:
        profile: Json = await self.put("/profile", a_profile(self.email) | other, headers={"If-Match": "*"})
        return profile

    async def submit(self, **fields: Any) -> Json:
        case: Json = await self.post("/cases", a_case() | fields)
        return case

    async def act(self, number: str, **action: Any) -> Json:
        case: Json = await self.post(f"/cases/{number}/actions", action)
        return case

    async def agent_act(self, number: str, **action: Any) -> Json:
        case: Json = await self.post(f"/agent/cases/{number}/actions", action)
        return case


def a_profile(email: str) -> Json:
    return {
        "first_name": "Ana",
        "last_name": "Duarte",
        "email": email,
        "phone": "+33472000001",
        "language": "en",
        "time_zone": "Europe/Paris",
        **an_address(),
    }


def a_case(**fields: Any) -> Json:
    return {
        "serial": "UNKNOWN1",
        "title": "Paper jam in tray 3",
        "description": "The printer jams on every second page since this morning.",
        "severity": 3,
        "contact": a_contact(),
        "equipment_address": an_address(),
    } | fields


@asynccontextmanager
async def visiting(stack: Deployed, email: str = "") -> AsyncIterator[Visitor]:
    jar = aiohttp.CookieJar(unsafe=True)
    timeout = aiohttp.ClientTimeout(total=30)
    connector = aiohttp.TCPConnector(ssl=TRUSTED)
    async with aiohttp.ClientSession(
        cookie_jar=jar, timeout=timeout, connector=connector, response_class=CheckedResponse
    ) as http:
        yield Visitor(stack, http, email)


async def vendor_admin_exists(stack: Deployed) -> None:
    """As an operator makes the first one, once in each portal: the command takes a Python process every time."""
    if stack in _with_vendor_admin:
        return
    words = ("identity", "create-vendor-admin", "--email", VENDOR_ADMIN, "--if-missing")
    code, said = await stack.run_service_command(*words, stdin=f"{PASSWORD}\n")
    assert code == 0, said
    _with_vendor_admin.add(stack)


async def a_company(vendor: Visitor, name: str = "") -> Json:
    company: Json = await vendor.post("/vendor/companies", {"name": name or f"Acme {secrets.token_hex(3)}"})
    return company


async def join(stack: Deployed, visitor: Visitor, *, first_name: str = "Ana", last_name: str = "Duarte") -> None:
    """From the invitation e-mail to the verified address, as an invited person goes."""
    code = link_in(await mail_for(stack, visitor.email, about="invit"), "invitations")
    name = {"first_name": first_name, "last_name": last_name}
    accepted = await visitor.call("POST", f"/invitations/{code}/accept", json=name | {"password": PASSWORD})
    assert accepted.status == 202, accepted.body
    mail = await mail_for(stack, visitor.email, about="verif")
    typed = re.search(r"\b\d{6}\b", mail["text"])
    assert typed is not None
    verified = await visitor.post("/registrations/verify", {"email": visitor.email, "code": typed[0]})
    assert verified == {"state": "active"}


async def mails_to(stack: Deployed, address: str, *, about: str = "") -> list[Json]:
    """What a person got, newest first; `about` is looked for in the subject and in the text."""
    found = await stack.mails(address)
    return [mail for mail in found if about.lower() in f"{mail['subject']}\n{mail['text']}".lower()]


async def mail_for(stack: Deployed, address: str, *, about: str = "", within_s: float = 60) -> Json:
    """Waits for a mail and answers the newest."""
    found: list[Json] = []

    async def came() -> bool:
        found[:] = await mails_to(stack, address, about=about)
        return bool(found)

    subjects = [mail["subject"] for mail in await stack.mails(address)]
    assert await until(came, deadline_s=within_s), f"no mail about {about!r} came; there are {subjects}"
    return found[0]


def link_in(mail: Json, folder: str) -> str:
    match = re.search(rf"https?://\S+/{folder}/([\w-]+)", mail["text"])
    assert match is not None, mail["text"]
    return match[1]


async def until_true(condition: Callable[[], Any], *, within_s: float = 60) -> None:
    assert await until(condition, deadline_s=within_s), "it did not come true in time"

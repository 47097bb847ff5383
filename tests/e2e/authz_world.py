"""Two companies and their vendor, made through the API, and for each route a request that acts on the first company."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp

from deploy.local.stack import Stack
from deploy.local.waiting import until
from services.identity.store import COMPANIES, USERS
from shared.codes import Purpose, link_code
from shared.documents import Documents
from shared.mongo import connect
from tests.builders import Json, a_contact, a_serial, an_address, an_email
from tests.client import Answer, answer_of

PASSWORD = "correct horse battery staple"
COLUMNS = (
    "anonymous",
    "own",
    "other_company",
    "vendor_admin",
    "agent",
    "member",
    "owner",
    "limited",
    "case_manager",
    "suspended",
)
_UNDER_WAY = ("waiting", "running")
# Of the first company: what they are told may name it.
INSIDERS = frozenset({"own", "member", "owner", "limited", "case_manager"})


@dataclass(frozen=True)
class Someone:
    """A column of the matrix: a session, and the credentials that it came from."""

    column: str
    email: str = ""
    cookie: str = ""
    csrf_token: str = ""
    user: Json = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": self.cookie, "X-CSRF-Token": self.csrf_token} if self.cookie else {}


@dataclass(frozen=True)
class Ask:
    """The rest of a request, once its route is known."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    json: Json | None = None
    body: bytes | None = None  # where it is no JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    asker: Someone | None = None  # another session of the same user, for what ends it


class World:
    """`canary` stands in every text of the first company."""

    def __init__(self, stack: Stack, http: aiohttp.ClientSession) -> None:
        self._stack = stack
        self._http = http
        self.canary = f"canary{secrets.token_hex(6)}"
        self.people: dict[str, Someone] = {"anonymous": Someone("anonymous")}
        self.company_id = ""
        self.product_number = f"P{secrets.token_hex(4).upper()}"
        self.serial = ""
        self.site_id = ""
        self.number = ""
        self.file_id = ""

    async def build(self) -> None:
        await self._command("create-vendor-admin", email := an_email("vendor"))
        vendor = await self._arrives("vendor_admin", email)
        self.company_id = (await self.json("POST", "/vendor/companies", vendor, {"name": self.text("Acme")}))["id"]
        rival = (await self.json("POST", "/vendor/companies", vendor, {"name": "Rival Ltd"}))["id"]
        await self._user("agent", "agent", vendor.user["company_id"])
        await self._user("own", "company_admin", self.company_id)
        await self._user("other_company", "company_admin", rival)
        for column, role in (
            ("member", "member"),
            ("owner", "member"),
            ("limited", "member"),
            ("case_manager", "case_manager"),
        ):
            await self._user(column, role, self.company_id)
        halted = (await self.json("POST", "/vendor/companies", vendor, {"name": "Halted Ltd"}))["id"]
        await self._user("suspended", "company_admin", halted)
        product = {"product_number": self.product_number, "name": "Laser 9"}
        await self.json("POST", "/vendor/products", vendor, product)
        self.site_id = (await self.new_site())["id"]
        self.serial = await self.new_device()
        self.file_id = await self.new_file()
        await self._until_cases_knows_its_people()
        own_contact = self._the_owner()
        self.number = await self.new_case(attachment_ids=[self.file_id], contact=own_contact)
        elsewhere = (await self.json("POST", "/sites", self.people["own"], {"name": "Elsewhere", **an_address()}))["id"]
        # Neither has a route yet: they are written as a use case would, with their events.
        await self._write(USERS, self.people["limited"].user["id"], site_ids=(UUID(elsewhere),))
        await self._write(COMPANIES, halted, suspended=True)

    def text(self, words: str) -> str:
        """A text of the first company."""
        return f"{words} {self.canary}"

    async def ask(self, method: str, path: str, who: Someone, ask: Ask | None = None) -> Answer:
        """What somebody is answered."""
        ask = ask or Ask()
        asker = ask.asker or who
        url = f"{self._stack.base_url}/api/v1{path.format(**ask.path)}"
        async with self._http.request(
            method, url, params=ask.query, json=ask.json, data=ask.body, headers={**asker.headers, **ask.headers}
        ) as answer:
            return await answer_of(answer)

    async def json(self, method: str, path: str, who: Someone, body: Json | None = None) -> Any:
        """The JSON of a success."""
        url = f"{self._stack.base_url}/api/v1{path}"
        async with self._http.request(method, url, json=body, headers=who.headers) as answer:
            assert answer.ok, (method, path, answer.status, await answer.text())
            return await answer.json()

    async def signs_in(self, who: Someone) -> Someone:
        """A new session of the same user."""
        return await self._arrives(who.column, who.email, keep=False)

    # What the first company has

    async def new_site(self) -> Any:
        return await self.json("POST", "/sites", self.people["own"], {"name": self.text("Lyon"), **an_address()})

    async def new_device(self) -> str:
        serial = f"{a_serial()}{self.canary}".upper()
        body = {"serial": serial, "product_number": self.product_number, "company_id": self.company_id}
        await self.json("POST", "/vendor/devices", self.people["vendor_admin"], {**body, "site_id": self.site_id})
        return serial

    async def new_case(self, **fields: Any) -> str:
        return str((await self.json("POST", "/cases", self.people["own"], {**self.a_case(), **fields}))["number"])

    async def new_export(self) -> str:
        """One that is made."""
        own = self.people["own"]
        await self.until_no_export_is_made(own)
        made = await self.json("POST", "/cases/exports", own, {"format": "csv"})
        await self.until_no_export_is_made(own)
        return str(made["id"])

    async def until_no_export_is_made(self, who: Someone) -> None:
        """Of each user there is one at a time."""

        async def is_over() -> bool:
            answer = await self.ask("GET", "/cases/exports", who)
            return answer.status != HTTPStatus.OK or all(
                each["state"] not in _UNDER_WAY for each in answer.body["items"]
            )

        assert await until(is_over, deadline_s=60, pause_s=0.05)

    async def new_file(self) -> str:
        answer = await self.ask("POST", "/attachments", self.people["own"], self.a_file())
        assert answer.status == HTTPStatus.CREATED, answer.text
        return str(answer.body["items"][0]["id"])

    def a_file(self) -> Ask:
        boundary = secrets.token_hex(8)
        disposition = f'Content-Disposition: form-data; name="file"; filename="{self.canary}.txt"'
        body = f"--{boundary}\r\n{disposition}\r\n\r\n{self.text('Log')}\r\n--{boundary}--\r\n"
        return Ask(body=body.encode(), headers={"Content-Type": f"multipart/form-data; boundary={boundary}"})

    async def new_invitation(self) -> str:
        body = {"invitations": [{"email": an_email(self.canary), "role": "member"}]}
        return str((await self.json("POST", "/invitations", self.people["own"], body))["items"][0]["id"])

    def a_case(self) -> Json:
        return {
            "serial": self.serial,
            "title": self.text("Paper jam"),
            "description": self.text("It jams on every second page since Monday."),
            "severity": 3,
            "contact": a_contact(),
            "site_id": self.site_id,
        }

    def code_of(self, invitation_id: str) -> str:
        """The code that stands in the invitation's first e-mail."""
        secret = Path(self._stack.environment["PORTICO_SECRET_KEY_FILE"]).read_text(encoding="utf-8").strip()
        return link_code(secret, Purpose.INVITATION, UUID(invitation_id), 1)

    # Who is there

    def _the_owner(self) -> Json:
        owner = self.people["owner"]
        return {**a_contact(), "email": owner.email, "user_id": owner.user["id"]}

    async def _write(self, documents: Documents[Any], document_id: str, **fields: Any) -> None:
        db = connect(self._stack.environment["MONGO_URL"], "identity")
        entity = await documents.get(db, {"_id": UUID(document_id)})
        changed = replace(entity, **fields)
        event = changed.changed_event(version=entity.version + 1, now=datetime.now(UTC))
        await documents.save(db, replace(changed, events=(event,)))
        await db.close()

    async def _until_cases_knows_its_people(self) -> None:
        """What the operator's command wrote reaches the other services by the sweeper, some seconds later."""
        on_behalf = {
            **self.a_case(),
            "submitter_id": self.people["own"].user["id"],
            "contact": self._the_owner(),
        }
        async with asyncio.timeout(60):
            while True:
                # The gateway itself waits three seconds before it says no.
                answer = await self.ask("POST", "/cases", self.people["agent"], Ask(json=on_behalf))
                if answer.status == HTTPStatus.CREATED:
                    return
                assert "not_yet_known" in answer.text

    async def _user(self, column: str, role: str, company_id: str) -> None:
        email = an_email(self.canary if column in INSIDERS else column)
        names = ["--first-name", "Ana", "--last-name", column.replace("_", " ").title()]
        await self._command("create-user", email, "--company-id", company_id, "--role", role, *names)
        await self._arrives(column, email)

    async def _command(self, command: str, email: str, *words: str) -> None:
        code, output = await self._stack.run_service_command(
            "identity", command, "--email", email, *words, stdin=f"{PASSWORD}\n"
        )
        assert code == 0, output

    async def _arrives(self, column: str, email: str, *, keep: bool = True) -> Someone:
        url = f"{self._stack.base_url}/api/v1/session"
        async with self._http.post(url, json={"email": email, "password": PASSWORD}) as answer:
            session = await answer.json()
            assert answer.status == 201, session
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
        someone = Someone(column, email, cookie, session["csrf_token"], session["user"])
        if keep:
            self.people[column] = someone
        return someone


Prepare = Callable[[World, Someone], Awaitable[Ask]]


def _always(ask: Ask) -> Prepare:
    async def prepare(_world: World, _who: Someone) -> Ask:
        return ask

    return prepare


async def _credentials(world: World, who: Someone) -> Ask:
    # Signing in ends the session that the browser had before.
    asker = await world.signs_in(who) if who.cookie else None
    return Ask(asker=asker, json={"email": who.email or world.people["agent"].email, "password": PASSWORD})


async def _a_session_to_end(world: World, who: Someone) -> Ask:
    return Ask(asker=await world.signs_in(who) if who.cookie else None)


async def _the_companys_admin(world: World, _who: Someone) -> Ask:
    return Ask(json={"user_id": world.people["own"].user["id"]})


async def _an_invitations_code(world: World, _who: Someone) -> Ask:
    return Ask({"code": world.code_of(await world.new_invitation())})


async def _acceptance(world: World, who: Someone) -> Ask:
    newcomer = {"first_name": "Luc", "last_name": "Petit", "password": PASSWORD}
    return Ask({"code": world.code_of(await world.new_invitation())}, json={} if who.cookie else newcomer)


async def _a_profile_at_the_site(world: World, _who: Someone) -> Ask:
    person = {**a_contact(), **an_address(), "language": "en", "time_zone": "Europe/Paris", "site_id": world.site_id}
    return Ask(json=person, headers={"If-Match": "*"})


async def _a_site(_world: World, _who: Someone) -> Ask:
    return Ask(json={"name": "Paris", **an_address()})


async def _the_site(world: World, _who: Someone) -> Ask:
    return Ask({"id": world.site_id})


async def _a_change_of_a_new_site(world: World, _who: Someone) -> Ask:
    site = await world.new_site()
    return Ask({"id": site["id"]}, json={"city": "Paris"}, headers={"If-Match": f'"{site["version"]}"'})


async def _an_invitation_to_the_site(world: World, _who: Someone) -> Ask:
    return Ask(json={"invitations": [{"email": an_email(), "role": "member", "site_id": world.site_id}]})


async def _a_new_invitation(world: World, _who: Someone) -> Ask:
    return Ask({"id": await world.new_invitation()})


async def _the_device(world: World, _who: Someone) -> Ask:
    return Ask({"serial": world.serial})


async def _coverage_of_the_device(world: World, _who: Someone) -> Ask:
    return Ask(query={"serial": world.serial})


async def _the_cases_of_the_device(world: World, _who: Someone) -> Ask:
    return Ask(query={"serial": world.serial})


async def _a_case_at_the_site(world: World, who: Someone) -> Ask:
    on_behalf = {"submitter_id": world.people["own"].user["id"]} if who.column in {"vendor_admin", "agent"} else {}
    return Ask(json={**world.a_case(), **on_behalf})


async def _an_export(world: World, who: Someone) -> Ask:
    await world.until_no_export_is_made(who)
    return Ask(json={"format": "csv"})


async def _the_export(world: World, _who: Someone) -> Ask:
    return Ask({"id": await world.new_export()})


async def _the_case(world: World, _who: Someone) -> Ask:
    return Ask({"number": world.number})


async def _a_file(world: World, who: Someone) -> Ask:
    # A stranger's file has nothing of the first company in it.
    asked = world.a_file()
    return (
        asked
        if who.column in INSIDERS
        else replace(asked, body=(asked.body or b"").replace(world.canary.encode(), b"x"))
    )


async def _the_file(world: World, _who: Someone) -> Ask:
    return Ask({"id": world.file_id})


async def _a_comment(world: World, _who: Someone) -> Ask:
    return Ask({"number": world.number}, json={"action": "comment", "text": "Any news?"})


async def _events_of_the_case(world: World, _who: Someone) -> Ask:
    return Ask(query={"case": world.number})


async def _presence(world: World, _who: Someone) -> Ask:
    return Ask({"number": world.number}, json={"state": "here"})


async def _a_note(world: World, _who: Someone) -> Ask:
    return Ask({"number": world.number}, json={"action": "note", "text": "Ask the depot."})


async def _a_new_company(_world: World, _who: Someone) -> Ask:
    return Ask(json={"name": f"Company {secrets.token_hex(4)}"})


async def _the_company(world: World, _who: Someone) -> Ask:
    return Ask({"id": world.company_id})


async def _the_people_of_the_company(world: World, who: Someone) -> Ask:
    return Ask(query={"company_id": world.company_id} if who.column in {"agent", "vendor_admin"} else {})


async def _a_person_of_the_company(world: World, _who: Someone) -> Ask:
    return Ask({"id": world.people["member"].user["id"]})


async def _an_invitation_to_the_company(world: World, _who: Someone) -> Ask:
    return Ask({"id": world.company_id}, json={"invitations": [{"email": an_email(), "role": "company_admin"}]})


async def _an_address_to_look_up(_world: World, _who: Someone) -> Ask:
    return Ask(query={"email": an_email()})


async def _an_address_that_does_not_bounce(_world: World, _who: Someone) -> Ask:
    return Ask({"email": an_email()})


async def _new_pins_of_the_company(world: World, _who: Someone) -> Ask:
    path = f"/vendor/companies/{world.company_id}/pins"
    version = (await world.json("GET", path, world.people["vendor_admin"]))["version"]
    pin = {
        "pin": secrets.token_hex(4),
        "label": world.text("Gold"),
        "instructions": world.text("Call the depot first."),
    }
    return Ask({"id": world.company_id}, json={"pins": [pin]}, headers={"If-Match": f'"{version}"'})


async def _the_company_by_name(world: World, _who: Someone) -> Ask:
    return Ask(query={"company_id": world.company_id})


async def _hours_of_the_company(world: World, _who: Someone) -> Ask:
    query = {"company_id": world.company_id}
    company = await world.ask("GET", "/company", world.people["vendor_admin"], Ask(query=query))
    hours = {"days": [1, 2, 3], "from": "07:00", "to": f"{secrets.randbelow(12) + 8:02}:30"}
    return Ask(query=query, json={"working_hours": hours}, headers={"If-Match": f'"{company.body["version"]}"'})


async def _pins_to_see(world: World, who: Someone) -> Ask:
    wanted = await _new_pins_of_the_company(world, who)
    made = await world.ask("PUT", "/vendor/companies/{id}/pins", world.people["vendor_admin"], wanted)
    assert made.status == HTTPStatus.OK, made.text
    return Ask({"id": world.company_id})


async def _a_new_product(_world: World, _who: Someone) -> Ask:
    return Ask(json={"product_number": f"P{secrets.token_hex(6)}", "name": "Laser 10"})


async def _a_new_device(world: World, _who: Someone) -> Ask:
    return Ask(json={"serial": a_serial(), "product_number": world.product_number, "company_id": world.company_id})


async def _a_new_agreement(world: World, _who: Someone) -> Ask:
    agreement = {"kind": "base_warranty", "level": "Next day", "start": "2026-01-01", "end": "2029-12-31"}
    return Ask(json={**agreement, "company_id": world.company_id, "serials": [world.serial]})


_NOTHING = _always(Ask())
_RESEND = _always(Ask(json={"email": "nobody@example.com"}))
_WRONG_CODE = _always(Ask(json={"email": "nobody@example.com", "code": "000000"}))
_OPT_IN = _always(Ask(json={"case_emails": True}))
_A_LANGUAGE = _always(Ask(json={"language": "en"}))

PREPARE: dict[str, Prepare] = {
    "POST /session": _credentials,
    "GET /session": _NOTHING,
    "DELETE /session": _a_session_to_end,
    "POST /session/switch": _the_companys_admin,
    "GET /invitations/{code}": _an_invitations_code,
    "POST /invitations/{code}/accept": _acceptance,
    "POST /registrations/verify": _WRONG_CODE,
    "POST /registrations/resend": _RESEND,
    "GET /profile": _NOTHING,
    "PUT /profile": _a_profile_at_the_site,
    "PUT /profile/language": _A_LANGUAGE,
    "GET /notification-preferences": _NOTHING,
    "PUT /notification-preferences": _OPT_IN,
    "GET /company": _the_company_by_name,
    "PATCH /company": _hours_of_the_company,
    "GET /sites": _NOTHING,
    "POST /sites": _a_site,
    "GET /sites/{id}": _the_site,
    "PATCH /sites/{id}": _a_change_of_a_new_site,
    "GET /users": _NOTHING,
    "GET /submitters": _the_people_of_the_company,
    "GET /submitters/{id}": _a_person_of_the_company,
    "GET /invitations": _NOTHING,
    "POST /invitations": _an_invitation_to_the_site,
    "POST /invitations/{id}/resend": _a_new_invitation,
    "DELETE /invitations/{id}": _a_new_invitation,
    "GET /pins": _pins_to_see,
    "GET /deliveries": _NOTHING,
    "GET /bouncing-addresses": _an_address_to_look_up,
    "GET /products": _NOTHING,
    "GET /devices": _NOTHING,
    "GET /devices/{serial}": _the_device,
    "GET /coverage": _coverage_of_the_device,
    "GET /coverage/ending": _NOTHING,
    "GET /cases": _the_cases_of_the_device,
    "POST /cases": _a_case_at_the_site,
    "GET /cases/facets": _the_cases_of_the_device,
    "GET /cases/turn-times": _NOTHING,
    "GET /cases.xlsx": _the_cases_of_the_device,
    "GET /cases.csv": _the_cases_of_the_device,
    "POST /cases/exports": _an_export,
    "GET /cases/exports": _NOTHING,
    "GET /cases/exports/{id}": _the_export,
    "GET /cases/exports/{id}/file": _the_export,
    "GET /cases/{number}": _the_case,
    "GET /cases/{number}/history": _the_case,
    "GET /cases/{number}/deliveries": _the_case,
    "PUT /cases/{number}/favourite": _the_case,
    "DELETE /cases/{number}/favourite": _the_case,
    "PUT /cases/{number}/visit": _the_case,
    "POST /cases/{number}/actions": _a_comment,
    "POST /attachments": _a_file,
    "GET /attachments/{id}": _the_file,
    "GET /attachment-limits": _NOTHING,
    "GET /events": _events_of_the_case,
    "POST /cases/{number}/presence": _presence,
    "GET /agent/cases": _NOTHING,
    "GET /agent/queues": _NOTHING,
    "GET /agent/agents": _NOTHING,
    "POST /agent/cases/{number}/actions": _a_note,
    "GET /vendor/companies": _NOTHING,
    "POST /vendor/companies": _a_new_company,
    "GET /vendor/companies/{id}": _the_company,
    "POST /vendor/companies/{id}/invitations": _an_invitation_to_the_company,
    "GET /vendor/companies/{id}/pins": _pins_to_see,
    "PUT /vendor/companies/{id}/pins": _new_pins_of_the_company,
    "POST /vendor/products": _a_new_product,
    "POST /vendor/devices": _a_new_device,
    "POST /vendor/agreements": _a_new_agreement,
    "DELETE /vendor/bouncing-addresses/{email}": _an_address_that_does_not_bounce,
}

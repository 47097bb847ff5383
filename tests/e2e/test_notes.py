"""What agents note about a case never leaves the vendor's side, by whatever way."""

import io
import secrets
import zipfile
from pathlib import Path

import aiohttp
import pymongo
import pytest

from deploy.local.stack import Stack
from services.gateway.routes import ROUTES
from tests.builders import Json
from tests.e2e.conftest import Customer
from tests.e2e.portal import Visitor, mail_for, until_true
from tests.sse import Events

# What agents alone may ask for, and what is about the files' limits: neither has anything of this case for a customer.
_NOT_OF_CASES = ("/agent/", "/attachment-limits", "/events")


def in_full(body: object) -> str:
    """A sheet is packed: its parts one after the other."""
    if isinstance(body, bytes) and body.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(body)) as parts:
            body = b"".join(parts.read(name) for name in parts.namelist())
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body)


async def noted(vendor: Visitor, number: str, canary: str) -> str:
    """Writes a note with a file; the id of the file."""
    form = aiohttp.FormData()
    form.add_field("file", f"{canary}\n".encode(), filename=f"{canary}.txt", content_type="text/plain")
    (file,) = (await vendor.call("POST", "/attachments", data=form)).body["items"]
    case = await vendor.agent_act(number, action="note", text=f"{canary} in words", attachment_ids=[file["id"]])
    assert canary in case["history"][-1]["text"]
    return str(file["id"])


async def an_export(who: Visitor, kind: str) -> str:
    made = await who.post("/cases/exports", {"format": kind})

    async def is_done() -> bool:
        return bool((await who.get(f"/cases/exports/{made['id']}"))["state"] == "done")

    await until_true(is_done)
    return str(made["id"])


def everything_for(number: str, export_id: str, canary: str) -> dict[str, str]:
    """The path of each GET of the API about cases, filled in; the words of a note find nothing either."""
    mine = [
        route.path
        for route in ROUTES
        if route.method == "GET" and route.service == "cases" and not route.path.startswith(_NOT_OF_CASES)
    ]
    assert len(mine) > 10
    filled = {path: path.replace("{number}", number).replace("{id}", export_id) for path in mine}
    assert filled.pop("/attachments/{id}")
    return filled | {"search": f"/cases?q={canary}", "deliveries": f"/cases/{number}/deliveries"}


@pytest.mark.timeout(180)
async def test_no_answer_page_mail_export_event_stream_or_log_has_a_note(
    stack: Stack, vendor: Visitor, customer: Customer
) -> None:
    ana, canary = customer.admin, f"canary{secrets.token_hex(6)}"
    async with ana.following() as events:
        number = (await ana.submit())["number"]
        assert (await next_of(events, number))["version"] == 1
        file_id = await noted(vendor, number, canary)
        commented = await ana.act(number, action="comment", text="Any news?")
        # The next that is told is the comment.
        assert await next_of(events, number) == {"kind": "case", "number": number, "version": commented["version"]}
    assert canary not in str(commented)
    for kind in ("xlsx", "csv"):
        export_id = await an_export(ana, kind)
        for name, path in everything_for(number, export_id, canary).items():
            answer = await ana.call("GET", path)
            found = in_full(answer.body).replace(f"?q={canary}", "")
            assert (answer.status, canary in found) == (200, False), name
    assert (await ana.get("/cases", q=canary))["items"] == []
    assert (await ana.call("GET", f"/attachments/{file_id}")).status == 404
    for page in (f"/cases/{number}", "/cases", "/", "/cases/exports", "/cases/turn-times"):
        assert canary not in await ana.page(page), page
    assert canary in await vendor.page(f"/cases/{number}"), "the vendor's side reads it there"

    version = (await vendor.get(f"/cases/{number}"))["version"]
    await vendor.agent_act(number, action="close", version=version, resolution="Replaced the roller.")
    await mail_for(stack, ana.email, about=number)
    await until_true(lambda: closed_mail(stack, ana.email, number))
    assert canary not in str(await stack.mails())
    assert await where_it_is(stack, canary) == {"cases.cases", "cases.attachments"}
    assert [log.name for log in logs_of(stack) if canary in log.read_text(errors="replace")] == []


async def next_of(events: Events, number: str) -> Json:
    """The next event of this case: the company has others, of other tests."""
    while (event := await events.next())["number"] != number:
        pass
    return event


async def closed_mail(stack: Stack, email: str, number: str) -> Json | None:
    mails = await stack.mails(email)
    return next((mail for mail in mails if number in str(mail) and "Replaced the roller." in str(mail)), None)


def logs_of(stack: Stack) -> list[Path]:
    """Of the services and the broker. A database may log what was slow, whole."""
    logs = [log for log in (stack.data_dir / "logs").glob("*.log") if log.name != "mongod.log"]
    assert len(logs) >= 5
    return logs


async def where_it_is(stack: Stack, canary: str) -> set[str]:
    """The collections of all services that have the note: events and what was copied are among the others."""
    found = set()
    async with pymongo.AsyncMongoClient[Json](stack.environment["MONGO_URL"], uuidRepresentation="standard") as client:
        for name in set(await client.list_database_names()) - {"admin", "config", "local"}:
            for collection in await client[name].list_collection_names():
                async for document in client[name][collection].find({}):
                    if canary in str(document):
                        found.add(f"{name}.{collection}")
    return found

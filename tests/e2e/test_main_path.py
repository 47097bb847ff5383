"""The main job from end to end over the API: from an empty system to the e-mail that a case was closed."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient

from deploy.local.stack import Stack
from tests.builders import Json, a_contact, a_serial, an_address, an_email
from tests.e2e.conftest import Customer
from tests.e2e.portal import (
    VENDOR_ADMIN,
    Deployed,
    Visitor,
    a_case,
    a_company,
    join,
    mail_for,
    mails_to,
    until_true,
    vendor_admin_exists,
    visiting,
)


@pytest.mark.timeout(180)
async def test_from_an_empty_system_to_the_mail_that_the_case_was_closed(stack: Deployed) -> None:
    await _the_main_job(stack)


@pytest.mark.timeout(180)
async def test_the_same_with_motor(parts_dir: Path) -> None:
    stack = Stack(parts_dir / "motor", environment={"MONGO_DRIVER": "motor"})
    try:
        await stack.start()
        await _the_main_job(stack)
        assert await _services_on_motor(stack) == {"cases", "contracts", "identity", "notifications"}
    finally:
        await stack.stop()


async def _services_on_motor(stack: Stack) -> set[str]:
    """By what they told MongoDB when they connected."""
    client: AsyncMongoClient[Json] = AsyncMongoClient(stack.environment["MONGO_URL"])
    async with client:
        connections = await client.admin.aggregate([{"$currentOp": {"idleConnections": True}}])
        return {
            found["appName"].removeprefix("portico-")
            async for found in connections
            if "Motor" in found.get("clientMetadata", {}).get("driver", {}).get("name", "")
        }


async def _the_main_job(stack: Deployed) -> None:  # noqa: PLR0915  # one story
    # The operator makes the first vendor admin, who sets up a customer.
    await vendor_admin_exists(stack)
    async with visiting(stack, VENDOR_ADMIN) as vera, visiting(stack, an_email()) as ana:
        await vera.sign_in()
        company = await a_company(vera)
        product = {"product_number": f"LP{secrets.token_hex(4)}", "name": "LaserPress 600", "line": "Printers"}
        await vera.post("/vendor/products", product)
        serial, said = a_serial(), f"SA-{secrets.token_hex(4)}"
        label = f"{serial[:4]}-{serial[4:]}"
        device = {"serial": label, "product_number": product["product_number"], "company_id": company["id"]}
        await vera.post("/vendor/devices", device)
        until = (datetime.now(UTC) + timedelta(days=300)).date().isoformat()
        contract = {
            "kind": "service_contract",
            "said": said,
            "sar": "R-1",
            "company_id": company["id"],
            "level": "Next business day",
            "start": "2026-01-01",
            "end": until,
            "serials": [serial],
        }
        await vera.post("/vendor/agreements", contract)

        # The first admin is invited, joins, and signs in.
        invited = {"invitations": [{"email": ana.email, "role": "company_admin"}]}
        await vera.post(f"/vendor/companies/{company['id']}/invitations", invited)
        await join(stack, ana)
        await ana.sign_in()
        session = await ana.get("/session")
        assert (session["user"]["role"], session["user"]["company_name"]) == ("company_admin", company["name"])

        # The profile refuses to be saved while something is missing, and then is complete.
        before = await ana.get("/profile")
        assert "phone" in before["missing"]
        nothing = await ana.call("PUT", "/profile", json={}, headers={"If-Match": "*"})
        assert nothing.status == 422
        assert {"first_name", "phone", "country"} <= nothing.wrong_fields
        profile = await ana.complete_profile()
        assert profile["missing"] == []
        assert (await ana.get("/notification-preferences"))["case_emails"] is True

        # A site, and the coverage of the device.
        site = await ana.post("/sites", {"name": "Lyon", **an_address()})

        async def covered() -> bool:
            return bool((await ana.get("/coverage", serial=serial.lower()))["verdict"] == "covered")

        await until_true(covered)
        coverage = await ana.get("/coverage", serial=serial)
        assert (coverage["level"], coverage["until"]) == ("Next business day", until)
        assert coverage["device"]["product_name"] == "LaserPress 600"
        assert coverage["device"]["serial_label"] == label

        # The case: prefilled from the profile, a contact of its own; both are told.
        luc = a_contact()
        case = await ana.submit(serial=serial, site_id=site["id"], equipment_address=None, contact=luc)
        number = case["number"]
        assert case["site_name"] == "Lyon"

        async def case_is_covered() -> bool:
            return bool((await ana.get(f"/cases/{number}"))["coverage"]["verdict"] == "covered")

        # Where the device was not known to cases yet, the verdict comes after it.
        await until_true(case_is_covered)
        for address in (ana.email, luc["email"]):
            mail = await mail_for(stack, address, about=number)
            assert "Paper jam in tray 3" in mail["text"]
        assert (await ana.get("/coverage", serial=serial))["open_cases"] == [number]

        # The vendor takes it, answers, and closes it; both are told.
        await vera.agent_act(number, action="take")
        replied = await vera.agent_act(number, action="reply", text="We send somebody.")
        await vera.agent_act(
            number, action="close", version=replied["version"], resolution="Replaced the pick-up roller."
        )
        for address in (ana.email, luc["email"]):
            mail = await mail_for(stack, address, about="closed")
            assert "Replaced the pick-up roller." in mail["text"]
            assert label in mail["text"]  # as it stands on the device, however it was typed
        seen = await ana.get(f"/cases/{number}")
        assert (seen["serial"], seen["serial_label"], seen["product_line"]) == (serial, label, "Printers")
        assert [entry["kind"] for entry in seen["history"]] == ["created", "taken", "reply", "closed"]

        # After opting out: no mail, and the ledger says why. After opting in again: mail.
        await ana.put("/notification-preferences", {"case_emails": False})
        quiet = await ana.submit(serial=serial, title="A quiet one")
        await until_true(lambda: _is_suppressed(ana, quiet["number"]))
        assert await mails_to(stack, ana.email, about=quiet["number"]) == []
        await ana.put("/notification-preferences", {"case_emails": True})
        loud = await ana.submit(serial=serial, title="A loud one")
        await mail_for(stack, ana.email, about=loud["number"])
        assert len(await mails_to(stack, ana.email, about=number)) == 2


async def _is_suppressed(ana: Visitor, number: str) -> bool:
    rows: list[Json] = (await ana.get("/deliveries"))["items"]
    own = [row for row in rows if row["case_number"] == number and row["email"] == ana.email]
    return [(row["state"], row["reason"]) for row in own if row["state"] == "suppressed"][:1] == [
        ("suppressed", "opted_out")
    ]


async def test_the_request_id_is_found_in_the_answer_the_audit_log_and_the_ledger(
    stack: Stack, customer: Customer
) -> None:
    request_id = f"trace-{secrets.token_hex(8)}"
    answer = await customer.admin.call("POST", "/cases", json=a_case(), headers={"X-Request-Id": request_id})
    assert answer.headers["X-Request-Id"] == request_id

    async def told() -> bool:
        rows: list[Json] = (await customer.admin.get("/deliveries"))["items"]
        return any(row["request_id"] == request_id for row in rows)

    await until_true(told)
    log = (stack.data_dir / "logs" / "cases.log").read_text()
    assert request_id in log

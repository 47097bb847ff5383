"""Everything that can be done with a case, over the public API: each answer is held against its description."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.builders import Json, a_contact, an_address
from tests.e2e.conftest import Customer
from tests.e2e.portal import Visitor

PHONE = "+33472000000"


async def refused(who: Visitor, number: str, **action: object) -> tuple[int, str]:
    answer = await who.call("POST", f"/cases/{number}/actions", json=action)
    return answer.status, answer.code


def a_window(hours: int) -> Json:
    start = datetime.now(UTC) + timedelta(hours=hours)
    return {"from": start.isoformat(), "to": (start + timedelta(hours=1)).isoformat()}


@pytest.mark.timeout(120)
async def test_a_case_is_changed_called_about_escalated_ended_and_followed_up(
    customer: Customer, vendor: Visitor
) -> None:
    ana = customer.admin
    site = await ana.post("/sites", {"name": "Nice", **an_address(city="Nice")})
    number = (await ana.submit())["number"]
    moved = await ana.act(number, action="change_site", version=1, site_id=site["id"])
    assert moved["site_name"] == "Nice"
    unknown = {"action": "change_site", "version": moved["version"], "site_id": str(uuid4())}
    assert await refused(ana, number, **unknown) == (422, "not_yet_known")
    changed = await ana.act(number, action="change_contact", version=2, contact=a_contact(first_name="Nina"))
    assert changed["history"][-1]["changes"] == {"from": "Luc Petit", "to": "Nina Petit"}
    stale: Json = {"action": "change_secondary_contact", "version": 2, "contact": a_contact()}
    assert await refused(ana, number, **stale) == (409, "stale")
    await ana.act(number, **stale | {"version": 3})
    await ana.act(number, action="change_parts_address", version=4, parts_address=an_address(city="Metz"))

    await ana.act(number, action="request_callback", at=a_window(2), phone=PHONE)
    assert await refused(ana, number, action="request_callback", phone=PHONE) == (409, "callback_exists")
    await ana.act(number, action="change_callback", version=6, at=a_window(4), phone=PHONE)
    confirmed = await vendor.agent_act(number, action="confirm_callback", version=7)
    assert confirmed["callback"]["confirmed_at"]
    again = await vendor.call("POST", f"/agent/cases/{number}/actions", json={"action": "confirm_callback"})
    assert (again.status, again.code) == (409, "callback_confirmed")
    assert (await vendor.agent_act(number, action="finish_callback"))["callback"] is None
    await ana.act(number, action="request_callback", phone=PHONE)
    await ana.act(number, action="request_escalation", reason="Production stands still.")
    (row,) = [row for row in (await ana.get("/cases"))["items"] if row["number"] == number]
    assert (row["callback"]["at"], row["escalation"]) == ("now", {"state": "requested"})
    assert await refused(ana, number, action="request_escalation", reason="Again.") == (409, "escalation_exists")
    declined = await vendor.agent_act(number, action="decline_escalation", text="Parts come first.")
    assert declined["escalation"]["answer"] == "Parts come first."
    await ana.act(number, action="request_escalation", reason="They have come.")
    accepted = await vendor.agent_act(number, action="accept_escalation")
    twice = await vendor.call("POST", f"/agent/cases/{number}/actions", json={"action": "accept_escalation"})
    assert (accepted["escalation"]["state"], twice.code) == ("accepted", "no_escalation")

    assert (await ana.act(number, action="mark_confidential"))["confidential"] is True
    assert await refused(ana, number, action="follow_up", description="It jams again, in the second tray.") == (
        409,
        "follow_up_not_needed",
    )
    version = (await ana.get(f"/cases/{number}"))["version"]
    await ana.act(number, action="close", version=version, reason="It prints.", resolved=True)
    assert await refused(ana, number, action="cancel_callback", version=version + 1) == (409, "case_closed")
    answer = await ana.call(
        "POST",
        f"/cases/{number}/actions",
        json={"action": "follow_up", "description": "It jams again, in the second tray."},
        headers={"Idempotency-Key": "follow-up"},
    )
    assert (answer.status, answer.body["follow_up_of"], answer.body["confidential"]) == (201, number, True)
    seen = await ana.get(f"/cases/{number}")
    assert [each["number"] for each in seen["follow_ups"]] == [answer.body["number"]]
    assert (seen["callback"], seen["escalation"]) == (None, None)
    assert "follow_up" in seen["allowed_actions"]

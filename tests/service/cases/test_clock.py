"""Whose turn it has been for how long, however a case is changed: its parts are its lifetime, to the second."""

from collections import Counter
from datetime import UTC, datetime
from random import Random

import pytest

from shared.actor import Actor
from shared.mongo import Document
from tests.builders import Json, an_actor
from tests.service.cases.conftest import HANDS, CasesApi, Hands

BEGIN = datetime(2026, 3, 27, 9, 30, 0, 999_000, tzinfo=UTC)
STATUSES = ("in_progress", "waiting_customer", "waiting_parts")


@pytest.fixture(autouse=True)
def hands() -> Hands:
    HANDS.now = BEGIN
    return HANDS


def second_of(moment: datetime) -> int:
    return int(moment.timestamp() // 1)


class Model:
    """Watches from outside whose turn it is, and counts the seconds that have begun meanwhile."""

    def __init__(self, hands: Hands) -> None:
        self.hands = hands
        self.turn = "vendor"
        self.since = hands.now
        self.seconds: Counter[str] = Counter(vendor_s=0, customer_s=0, ended_s=0)

    def sees(self, case: Json) -> None:
        if (turn := case["turn"] or "ended") != self.turn:
            self.seconds, self.turn, self.since = self.until_now(), turn, max(self.hands.now, self.since)

    def until_now(self) -> Counter[str]:
        begun = second_of(max(self.hands.now, self.since)) - second_of(self.since)
        return Counter({**self.seconds, f"{self.turn}_s": self.seconds[f"{self.turn}_s"] + begun})

    @property
    def shown(self) -> Counter[str]:
        """Of an ended case the time until its end."""
        return self.seconds if self.turn == "ended" else self.until_now()


async def something(cases: CasesApi, random: Random, case: Json, ana: Actor, agent: Actor) -> Json:
    """One more action that is allowed now: some are saved over the version, some appended."""
    number, version = case["number"], case["version"]
    for_agent = (await cases.get(number, agent)).body["allowed_agent_actions"]
    if not case["turn"]:
        answer = await cases.act(number, ana, action="reopen", version=version, reason="Again.")
    else:
        fields: dict[str, Json] = {
            "take": {},
            "reply": {"text": "Please try again."} | random.choice([{}, {"status": random.choice(STATUSES)}]),
            "note": {"text": "Odd."},
            "set_status": {"version": version, "status": random.choice(STATUSES)},
            "close": {"version": version, "resolution": "Done."},
            "comment": {"text": "It still jams."},
            "change_severity": {"version": version, "severity": random.randint(1, 4)},
        }
        action = random.choice(["comment", *[each for each in for_agent if each in fields], "set_status"])
        act = cases.act if action in ("comment", "change_severity") else cases.agent_act
        answer = await act(number, ana if act == cases.act else agent, action=action, **fields[action])
    # A new case cannot wait for anybody: that is refused, and changes nothing.
    assert answer.status in (200, 409), answer.body
    seen: Json = (await cases.get(number, ana)).body
    return seen


async def as_of_older(cases: CasesApi, number: str, change: Document) -> None:
    await cases.db["cases"].update_one({"number": number}, change)


@pytest.mark.parametrize("seed", range(12))
async def test_the_parts_are_the_lifetime_whatever_is_done_with_a_case(
    timed: CasesApi, hands: Hands, agent: Actor, seed: int
) -> None:
    random, ana = Random(seed), an_actor()
    case = await timed.submitted(ana)
    model, before = Model(hands), case["clock"]
    assert before == {"vendor_s": 0, "customer_s": 0, "ended_s": 0}
    for _ in range(25):
        # Now and then the clock of another replica is a little behind.
        hands.pass_by(milliseconds=random.choice([-40, 1, 400, 999, 61_000, 86_400_000]))
        case = await something(timed, random, case, ana, agent)
        model.sees(case)
        assert case["clock"] == model.shown
        end = case["closed_at"] or model.hands.now.isoformat()
        last = max(datetime.fromisoformat(end), model.since)
        assert sum(case["clock"].values()) == second_of(last) - second_of(BEGIN)
    number = case["number"]
    # What is kept is the same as what the history says.
    document = await timed.db["cases"].find_one({"number": number})
    assert document is not None
    await as_of_older(timed, number, {"$unset": {"clock": 1}})
    assert (await timed.get(number, ana)).body["clock"] == case["clock"]
    assert sum(document["clock"].values()) == second_of(model.since) - second_of(BEGIN)


async def test_a_case_from_before_is_counted_by_its_history_and_goes_on(
    timed: CasesApi, hands: Hands, agent: Actor
) -> None:
    ana = an_actor()
    number = (await timed.submitted(ana))["number"]
    hands.pass_by(hours=1)
    await timed.agent_act(number, agent, action="set_status", version=1, status="in_progress")
    await timed.agent_act(number, agent, action="set_status", version=2, status="waiting_customer")
    for missing in ({"$unset": {"clock": 1}}, {"$set": {"clock": None}}):
        await as_of_older(timed, number, missing)
        clock = (await timed.get(number, ana)).body["clock"]
        assert clock == {"vendor_s": 3600, "customer_s": 0, "ended_s": 0}
    hands.pass_by(minutes=1)
    await timed.act(number, ana, action="comment", text="Here is the log.")
    await as_of_older(timed, number, {"$unset": {"clock": 1}})
    hands.pass_by(minutes=2)
    version = (await timed.get(number, ana)).body["version"]
    await timed.act(number, ana, action="close", version=version, reason="done", resolved=True)
    hands.pass_by(minutes=4)
    version = (await timed.get(number, ana)).body["version"]
    assert (await timed.get(number, ana)).body["clock"] == {"vendor_s": 3720, "customer_s": 60, "ended_s": 0}
    reopened = await timed.act(number, ana, action="reopen", version=version, reason="Again.")
    assert reopened.status == 200
    hands.pass_by(seconds=1)
    clock = (await timed.get(number, ana)).body["clock"]
    assert clock == {"vendor_s": 3721, "customer_s": 60, "ended_s": 240}


async def test_a_turn_that_a_replica_of_the_older_version_changed_is_counted_by_the_history(
    timed: CasesApi, hands: Hands, agent: Actor
) -> None:
    ana = an_actor()
    number = (await timed.submitted(ana))["number"]
    await timed.agent_act(number, agent, action="take")
    kept = await timed.db["cases"].find_one({"number": number}, {"clock": 1})
    assert kept is not None
    hands.pass_by(minutes=5)
    await timed.agent_act(number, agent, action="set_status", version=2, status="waiting_customer")
    # The older version moves the turn, and knows of no clock.
    await as_of_older(timed, number, {"$set": {"clock": kept["clock"]}})
    hands.pass_by(minutes=3)
    await timed.act(number, ana, action="comment", text="Here is the log.")
    clock = (await timed.get(number, ana)).body["clock"]
    assert clock == {"vendor_s": 300, "customer_s": 180, "ended_s": 0}


async def test_to_submit_a_case_is_one_write_with_its_clock(timed: CasesApi) -> None:
    number = (await timed.submitted(an_actor()))["number"]
    document = await timed.db["cases"].find_one({"number": number})
    assert document is not None
    assert (document["version"], document["clock"]) == (1, {"vendor_s": 0, "customer_s": 0, "ended_s": 0})

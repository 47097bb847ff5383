"""The cases of the demo: made through the public API by the people whose they are, then dated back."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from deploy.local.demo_birchfield import BIRCHFIELD
from deploy.local.demo_data import ARNO, Person
from deploy.local.demo_lumiere import LUMIERE
from deploy.local.demo_stories import File, Step, Story
from deploy.local.portal import Json, Portal
from deploy.local.waiting import until
from shared.mongo import Database, connect

STORIES = tuple(sorted((*BIRCHFIELD, *LUMIERE), key=lambda story: story.days, reverse=True))

_VERDICT_WITHIN_S = 30.0
_AT_ONCE = 4
_TIMES = ("created_at", "updated_at", "turn_since", "unanswered_since", "closed_at")
_CALLED_FOR = timedelta(hours=2)


class NotDated(Exception):
    """Somebody else wrote to a case of the demo while it was made; the text says to which."""


@dataclass(frozen=True)
class World:
    """What cases are made of: everybody's session by their address, and the ids of sites by their names."""

    portals: Mapping[str, Portal]
    site_ids: dict[str, str]

    def of(self, person: Person) -> Portal:
        """The session of somebody."""
        return self.portals[person.email]


async def make_cases(world: World) -> dict[str, Story]:
    """Make what is not there yet; returns the stories by the numbers of their cases."""
    # One after the other, the oldest first: their numbers follow each other as well.
    numbers = [await _submit(world, story) for story in STORIES]
    slots = asyncio.Semaphore(_AT_ONCE)

    async def go_on(story: Story, number: str) -> None:
        async with slots:
            await _tell(world, story, number)

    await asyncio.gather(*map(go_on, STORIES, numbers))
    return dict(zip(numbers, STORIES, strict=True))


async def date_back(mongo_url: str, stories: Mapping[str, Story]) -> None:
    """Let the cases be as old as their stories say, in the database: the API gives all of them the time of now.

    A time of a case is that of an entry in its history, and goes with it. The counters are found by the time of the
    last change: `services.cases recount` is to be run after this.
    """
    ready, db = datetime.now(UTC), connect(mongo_url, "cases")
    try:
        for number, story in stories.items():
            await _date_back(db, number, story.times(ready))
    finally:
        await db.close()


async def _date_back(db: Database, number: str, times: list[datetime]) -> None:
    wanted = {"history.at": 1, "first_answer": 1, "callback": 1, "escalation": 1, **dict.fromkeys(_TIMES, 1)}
    case = await db["cases"].find_one({"number": number}, wanted)
    if case is None or len(case["history"]) != len(times):
        raise NotDated(f"The demo's case {number} was changed by somebody else while it was made.")
    moved = dict(zip((entry["at"] for entry in case["history"]), times, strict=True))
    entries = {f"history.{place}.at": time for place, time in enumerate(times)}
    own = {name: moved[case[name]] for name in _TIMES if case[name] is not None}
    promise = case["first_answer"]
    if promise["answered_at"] is not None:
        own["first_answer.answered_at"] = moved[promise["answered_at"]]
    if promise["due_at"] is not None:
        # Promised around the clock: no working hours have to be looked at.
        own["first_answer.due_at"] = promise["due_at"] + (own["created_at"] - case["created_at"])
    for asked in ("callback", "escalation"):
        if case[asked] is not None:
            own[f"{asked}.requested_at"] = moved[case[asked]["requested_at"]]
    if case["callback"] is not None and case["callback"]["window"] is None:
        own["callback.due_at"] = own["callback.requested_at"]
    await db["cases"].update_one({"_id": case["_id"]}, {"$set": entries | own})


async def _submit(world: World, story: Story) -> str:
    portal, key = world.of(story.by), f"demo-case-{story.title}"
    body = {
        **story.about,
        "title": story.title,
        "description": story.description,
        "severity": story.severity,
        "site_id": world.site_ids[story.site],
        "contact": _contact(world, story.by),
        "attachment_ids": await _upload(portal, story.files, key=key),
        **story.more,
    }
    if story.second is not None:
        body["secondary_contact"] = _contact(world, story.second)
    number = str((await portal.post("/cases", body, key=key))["number"])

    async def has_its_verdict() -> bool:
        return bool((await _case(world, number))["coverage"]["verdict"] != "unverified")

    # The verdict may come later, and is a change of the case: the version is known only after it.
    await until(has_its_verdict, deadline_s=_VERDICT_WITHIN_S)
    return number


async def _tell(world: World, story: Story, number: str) -> None:
    case = await _case(world, number)
    # Each step is one entry: a repeated try goes on after the last one that is there.
    done = case["history_total"] - 1
    for place, step in list(enumerate(story.steps))[done:]:
        case = await _take_step(world, step, case, key=f"demo-step-{number}-{place}")


async def _take_step(world: World, step: Step, case: Json, *, key: str) -> Json:
    portal, body = world.of(step.by), dict(step.body)
    if step.needs_version:
        body["version"] = case["version"]
    if step.call_in is not None:
        begins = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1 + step.call_in)
        body["at"] = {"from": begins.isoformat(), "to": (begins + _CALLED_FOR).isoformat()}
    if step.files:
        body["attachment_ids"] = await _upload(portal, step.files, key=key)
    return await portal.post(f"{step.side}/cases/{case['number']}/actions", body, key=key)


async def _case(world: World, number: str) -> Json:
    """The case as an agent sees it, with its notes."""
    return await world.of(ARNO).get(f"/cases/{number}")


async def _upload(portal: Portal, files: tuple[File, ...], *, key: str) -> list[str]:
    made = [await portal.upload(file.name, file.content(), key=f"{key}-{file.name}") for file in files]
    return [item["id"] for answer in made for item in answer["items"]]


def _contact(world: World, person: Person) -> Json:
    return {
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "phone": person.phone,
        "user_id": world.of(person).user["id"],
    }

"""Preferences: a user's under the user's id, those of an address without a user under a key of its own."""

import functools
from collections.abc import Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar
from uuid import UUID

from pymongo.errors import DuplicateKeyError

from services.notifications.domain.people import Person
from services.notifications.domain.preferences import Preferences
from shared.mongo import Database, Document
from shared.schemas.notifications import MailKind

PREFERENCES = "preferences"

K = TypeVar("K", bound=Hashable)


def _preferences_id(person: Person) -> UUID | str:
    return person.user_id or person.key


def _load_preferences(document: Document) -> Preferences:
    return Preferences(document["case_emails"], document["kinds"])


async def find_preferences(db: Database, person: Person) -> Preferences:
    """Opted in where the person has chosen nothing."""
    return (await find_preferences_of(db, {0: [person]}))[0]


async def find_preferences_of(db: Database, wanted: Mapping[K, Sequence[Person]]) -> dict[K, Preferences]:
    """For each key those of the first of its persons who has chosen anything; opted in where none has."""
    ids = {_preferences_id(person) for persons in wanted.values() for person in persons}
    documents = await db[PREFERENCES].find({"_id": {"$in": list(ids)}}).to_list()
    chosen = {document["_id"]: _load_preferences(document) for document in documents}
    choices = {key: [chosen.get(_preferences_id(person)) for person in persons] for key, persons in wanted.items()}
    return {key: next(filter(None, choice), Preferences()) for key, choice in choices.items()}


async def put_preferences(db: Database, person: Person, *, case_emails: bool, kinds: dict[str, bool]) -> Preferences:
    """A kind that is left out stays as it is."""
    changes: Document = {f"kinds.{kind}": wanted for kind, wanted in kinds.items()}
    empty: Document = {} if changes else {"$setOnInsert": {"kinds": {}}}
    return await _change_preferences(db, person, {"$set": {"case_emails": case_emails, **changes}, **empty})


async def switch_off_kind(db: Database, person: Person, kind: MailKind) -> Preferences:
    """No more of this kind; everything else stays as it is."""
    changes: Document = {"$set": {f"kinds.{kind}": False}, "$setOnInsert": {"case_emails": True}}
    return await _change_preferences(db, person, changes)


async def switch_off_case_mails(db: Database, person: Person) -> Preferences:
    """No more mails about cases; the switches below stay as they are."""
    changes: Document = {"$set": {"case_emails": False}, "$setOnInsert": {"kinds": {}}}
    return await _change_preferences(db, person, changes)


async def _change_preferences(db: Database, person: Person, changes: Document) -> Preferences:
    await db[PREFERENCES].update_one({"_id": _preferences_id(person)}, changes, upsert=True)
    return await find_preferences(db, person)


async def adopt_preferences(db: Database, user: Person, addresses: Collection[Person]) -> None:
    """Gives the user the choices of their addresses from before they were known, unless the user has chosen already."""
    chosen = await db[PREFERENCES].find({"_id": {"$in": [address.key for address in addresses]}}).to_list()
    if not chosen:
        return
    joined = functools.reduce(Preferences.joined, map(_load_preferences, chosen))
    first = {"case_emails": joined.case_emails, "kinds": dict(joined.kinds)}
    with suppress(DuplicateKeyError):  # the user has chosen already
        await db[PREFERENCES].update_one({"_id": user.user_id}, {"$setOnInsert": first}, upsert=True)

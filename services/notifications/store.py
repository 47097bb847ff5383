"""Every query and index of the notifications database. The ledger's clock is the database's, on every replica."""

import functools
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta
from typing import cast
from uuid import UUID

from pydantic import TypeAdapter
from pymongo import ASCENDING, DESCENDING, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from services.notifications.domain import (
    KEPT_FOR,
    Mail,
    MailKind,
    MailState,
    NotToBeSent,
    NotToBeSentYet,
    Outcome,
    Person,
    Preferences,
    Reason,
)
from shared.actor import Actor
from shared.mongo import Database, Document
from shared.paging import Order, Page, find_page
from shared.schemas.base import ListQuery

MAILS = "mails"
USERS = "users"
COMPANIES = "companies"
PREFERENCES = "preferences"
BOUNCING = "bouncing"

LEASE = timedelta(seconds=30)

_MAIL = TypeAdapter(Mail)
_DUPLICATE = 11000
_WAITING = [MailState.QUEUED.value, MailState.CLAIMED.value]
_DELIVERY_ORDERS = {"created_at": "created_at"}
# A row that is due, or will be: final states have no `due_at`.
_UNFINISHED: Document = {"due_at": {"$type": "date"}}


async def create_indexes(db: Database) -> None:
    """What the sender claims by, one mail per person, lists, and who has an address."""
    mails = db[MAILS]
    await mails.create_index(
        [("created_at", ASCENDING), ("due_at", ASCENDING)], name="due", partialFilterExpression=_UNFINISHED
    )
    await mails.create_index(
        [("event_id", ASCENDING), ("kind", ASCENDING), ("person", ASCENDING)],
        name="one_mail_per_person",
        unique=True,
        partialFilterExpression={"person": {"$type": "string"}},
    )
    await mails.create_index("user_id", name="waiting", partialFilterExpression=_UNFINISHED)
    await mails.create_index("person", name="waiting_person", partialFilterExpression=_UNFINISHED)
    await mails.create_index([("created_at", DESCENDING), ("_id", DESCENDING)])
    await mails.create_index([("company_id", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)])
    await db[USERS].create_index([("company_id", ASCENDING), ("login_email", ASCENDING)])
    await db[USERS].create_index([("company_id", ASCENDING), ("contact_email", ASCENDING)])


def _later(wait: timedelta | float) -> Document:
    seconds = wait.total_seconds() if isinstance(wait, timedelta) else wait
    return {"$add": ["$$NOW", round(seconds * 1000)]}


def load(document: Document) -> Mail:
    """A row as the domain knows it."""
    return _MAIL.validate_python({"id": document["_id"], **document})


# Writing rows


async def put_mails(db: Database, *mails: Mail) -> None:
    """New rows, due at once; a row that stands there already stays as it is, whatever became of it."""
    try:
        await db[MAILS].bulk_write([_new_row(mail) for mail in mails], ordered=False)
    except BulkWriteError as error:
        problems = error.details
        if problems["writeConcernErrors"] or any(each["code"] != _DUPLICATE for each in problems["writeErrors"]):
            raise


def _new_row(mail: Mail) -> UpdateOne:
    fields = cast(
        "Document", _MAIL.dump_python(mail, exclude={"id", "expires_at", "created_at", "updated_at", "person", "lease"})
    )
    expires_at: object = mail.expires_at or _later(KEPT_FOR)
    times = {"created_at": "$$NOW", "updated_at": "$$NOW", "due_at": "$$NOW", "expires_at": expires_at}
    new = {"$mergeObjects": [{"$literal": fields}, times, "$$ROOT"]}
    # The second condition never holds for a row: what this finds is nothing, and the upsert inserts or is refused.
    return UpdateOne({"_id": mail.id, "event_id": {"$exists": False}}, [{"$replaceWith": new}], upsert=True)


# Sending rows


async def claim_mail(db: Database, *, lease: UUID, in_hand: Collection[str]) -> Mail | None:
    """The oldest due row, this sender's for a while; a row whose last sender died with it is due again."""
    interrupted = {"$eq": ["$state", MailState.SENDING.value]}
    document = await db[MAILS].find_one_and_update(
        {**_UNFINISHED, "$expr": {"$lte": ["$due_at", "$$NOW"]}, "_id": {"$nin": list(in_hand)}},
        [
            {
                "$set": {
                    "state": MailState.CLAIMED.value,
                    "lease": lease,
                    "due_at": _later(LEASE),
                    "updated_at": "$$NOW",
                    "is_expired": {"$lte": ["$expires_at", "$$NOW"]},
                    "was_interrupted": interrupted,
                    "unknown_outcomes": {"$add": ["$unknown_outcomes", {"$cond": [interrupted, 1, 0]}]},
                }
            }
        ],
        sort=[("created_at", ASCENDING), ("due_at", ASCENDING)],
        return_document=ReturnDocument.AFTER,
    )
    return None if document is None else load(document)


async def _mark(db: Database, mail: Mail, *, while_in: MailState, changes: Document, final: bool = False) -> bool:
    """Changes a row where this lease still holds: a sender that slept too long must not undo what another did."""
    update: list[Document] = [{"$set": {**changes, "updated_at": "$$NOW"}}]
    if final:
        update.append({"$unset": ["due_at", "lease"]})
    result = await db[MAILS].update_one({"_id": mail.id, "lease": mail.lease, "state": while_in.value}, update)
    return result.matched_count == 1


async def name_person(db: Database, mail: Mail, person: Person) -> bool:
    """Writes who the mail is for; NotToBeSent when the same event tells the same person in another row."""
    try:
        return await _mark(db, mail, while_in=MailState.CLAIMED, changes={"person": {"$literal": person.key}})
    except DuplicateKeyError as error:
        raise NotToBeSent(Reason.SAME_PERSON) from error


async def mark_suppressed(db: Database, mail: Mail, reason: Reason) -> bool:
    """It will not be sent, and this is why."""
    changes = {"state": MailState.SUPPRESSED.value, "reason": reason.value}
    return await _mark(db, mail, while_in=MailState.CLAIMED, changes=changes, final=True)


async def mark_failed(db: Database, mail: Mail, *, reason: Reason | None = None, reply: str | None = None) -> bool:
    """It could not be sent; `reply` is left as it is when None."""
    changes: Document = {"state": MailState.FAILED.value}
    if reason is not None:
        changes["reason"] = reason.value
    if reply is not None:
        changes["smtp_reply"] = {"$literal": reply}
    return await _mark(db, mail, while_in=MailState.CLAIMED, changes=changes, final=True)


async def mark_due_again(db: Database, mail: Mail, *, wait_s: float) -> bool:
    """Back into the queue without having been tried."""
    changes = {"state": MailState.QUEUED.value, "due_at": _later(wait_s)}
    return await _mark(db, mail, while_in=MailState.CLAIMED, changes=changes)


async def mark_sending(db: Database, mail: Mail) -> bool:
    """From here on the server may have it. False when the row was taken away: opted out, or the lease has ended."""
    changes = {
        "state": MailState.SENDING.value,
        "due_at": _later(LEASE),
        "sending_at": "$$NOW",
        "tries": {"$add": ["$tries", 1]},
    }
    return await _mark(db, mail, while_in=MailState.CLAIMED, changes=changes)


async def keep_sending(db: Database, mail: Mail) -> bool:
    """The lease begins anew: a slow server is no dead sender."""
    return await _mark(db, mail, while_in=MailState.SENDING, changes={"due_at": _later(LEASE)})


async def mark_outcome(db: Database, mail: Mail, outcome: Outcome, *, wait_s: float) -> bool:
    """What became of the try; when it is to be tried again, in `wait_s` seconds."""
    changes: Document = {"state": outcome.state.value, "smtp_reply": {"$literal": outcome.reply}}
    if outcome.is_unknown:
        changes["unknown_outcomes"] = {"$add": ["$unknown_outcomes", 1]}
    if outcome.state is MailState.QUEUED:
        return await _mark(db, mail, while_in=MailState.SENDING, changes=changes | {"due_at": _later(wait_s)})
    if outcome.state is MailState.SENT:
        changes["sent_at"] = "$$NOW"
    return await _mark(db, mail, while_in=MailState.SENDING, changes=changes, final=True)


# Whom a mail is for, and whether they want it


async def find_person(db: Database, mail: Mail) -> Person:
    """The user that the row names, else the company's user who has the address, else the address itself.

    NotToBeSentYet while the named user's copy has not come.
    """
    if mail.user_id is not None:
        user = await db[USERS].find_one({"_id": mail.user_id})
        if user is None:
            raise NotToBeSentYet
    else:
        user = await _find_user_with_address(db, mail)
    if user is None:
        time_zone = await _find_time_zone(db, mail.company_id)
        return Person.of_address(mail.email, mail.company_id, time_zone=time_zone)
    return Person.of_user(user["_id"], active=user["active"], language=user["language"], time_zone=user["time_zone"])


async def _find_time_zone(db: Database, company_id: UUID | None) -> str | None:
    company = await db[COMPANIES].find_one({"_id": company_id}, {"time_zone": 1})
    return None if company is None else company.get("time_zone")


async def _find_user_with_address(db: Database, mail: Mail) -> Document | None:
    wanted: Document = {
        "company_id": mail.company_id,
        "$or": [{"login_email": mail.email}, {"contact_email": mail.email}],
    }
    if not mail.may_be_opted_out:
        # Somebody who was removed may be invited again.
        wanted["active"] = True
    users: list[Document] = await db[USERS].find(wanted).to_list(100)
    return min(users, key=lambda user: (not user["active"], user["login_email"] != mail.email), default=None)


async def is_suspended(db: Database, company_id: UUID | None) -> bool:
    """Whether the copy says that the vendor has suspended the company."""
    return await db[COMPANIES].find_one({"_id": company_id, "suspended": True}, {"_id": 1}) is not None


async def is_bouncing(db: Database, email: str) -> bool:
    """Whether a server has said for good that there is no such recipient."""
    return await db[BOUNCING].find_one({"_id": email}, {"_id": 1}) is not None


async def put_bouncing(db: Database, email: str, *, reply: str) -> None:
    """Remembers that a server has refused this recipient for good."""
    try:
        await db[BOUNCING].update_one(
            {"_id": email}, [{"$set": {"reply": {"$literal": reply}, "at": "$$NOW"}}], upsert=True
        )
    except DuplicateKeyError:
        return  # another sender has just written it


async def clear_bouncing(db: Database, email: str) -> bool:
    """Whether the address was bouncing; what comes from now on is sent there again."""
    return (await db[BOUNCING].delete_one({"_id": email})).deleted_count == 1


# What people want to be told


def _preferences_id(person: Person) -> UUID | str:
    return person.user_id or person.key


def _load_preferences(document: Document) -> Preferences:
    return Preferences(document["case_emails"], document["kinds"])


async def find_preferences(db: Database, *persons: Person) -> Preferences:
    """Of the first person who has said anything; opted in when nobody has."""
    wanted = [_preferences_id(person) for person in persons]
    documents = await db[PREFERENCES].find({"_id": {"$in": wanted}}).to_list()
    first = min(documents, key=lambda document: wanted.index(document["_id"]), default=None)
    return Preferences() if first is None else _load_preferences(first)


async def put_preferences(db: Database, person: Person, *, case_emails: bool, kinds: dict[str, bool]) -> Preferences:
    """A kind that is left out stays as it is."""
    changes: Document = {f"kinds.{kind}": wanted for kind, wanted in kinds.items()}
    empty: Document = {} if changes else {"$setOnInsert": {"kinds": {}}}
    return await _change_preferences(db, person, {"$set": {"case_emails": case_emails, **changes}, **empty})


async def switch_off_kind(db: Database, person: Person, kind: MailKind) -> Preferences:
    """No more of this kind; everything else stays as it is."""
    changes: Document = {"$set": {f"kinds.{kind.value}": False}, "$setOnInsert": {"case_emails": True}}
    return await _change_preferences(db, person, changes)


async def switch_off_case_mails(db: Database, person: Person) -> Preferences:
    """No more mails about cases; the switches below stay as they are."""
    changes: Document = {"$set": {"case_emails": False}, "$setOnInsert": {"kinds": {}}}
    return await _change_preferences(db, person, changes)


async def _change_preferences(db: Database, person: Person, changes: Document) -> Preferences:
    await db[PREFERENCES].update_one({"_id": _preferences_id(person)}, changes, upsert=True)
    return await find_preferences(db, person)


async def adopt_preferences(db: Database, user: Person, addresses: Collection[Person]) -> None:
    """What was said for an address, before it was known to be this user's, is the user's until they say otherwise."""
    said = await db[PREFERENCES].find({"_id": {"$in": [address.key for address in addresses]}}).to_list()
    if not said:
        return
    joined = functools.reduce(Preferences.joined, map(_load_preferences, said))
    first = {"case_emails": joined.case_emails, "kinds": dict(joined.kinds)}
    with suppress(DuplicateKeyError):  # the user has just spoken
        await db[PREFERENCES].update_one({"_id": user.user_id}, {"$setOnInsert": first}, upsert=True)


async def suppress_waiting(db: Database, person: Person, preferences: Preferences) -> None:
    """What this person has opted out of and is not being sent yet will not be."""
    await db[MAILS].update_many(
        {
            **_UNFINISHED,
            "$or": [{"person": person.key}, *_rows_naming_user(person)],
            "kind": {"$in": [kind.value for kind in preferences.refused]},
            "state": {"$in": _WAITING},
        },
        [
            {
                "$set": {
                    "state": MailState.SUPPRESSED.value,
                    "reason": Reason.OPTED_OUT.value,
                    "updated_at": "$$NOW",
                }
            },
            {"$unset": ["due_at", "lease"]},
        ],
    )


def _rows_naming_user(person: Person) -> list[Document]:
    # A row that names an address only is asked about again when it is sent: whose it is may have changed by then.
    return [] if person.user_id is None else [{"user_id": person.user_id}]


async def find_mail_of_link(db: Database, link_id: UUID) -> Mail | None:
    """The row whose unsubscribe link this is."""
    # A range of ids, because the link holds the first half of one. A ledger that forgets rows one day must keep them
    # for as long as people read their mails: without its row a link stops nothing.
    document = await db[MAILS].find_one({"_id": {"$gte": link_id.hex, "$lt": f"{link_id.hex}g"}})
    return None if document is None else load(document)


# The ledger, to be read


async def find_deliveries(db: Database, actor: Actor, query: ListQuery) -> Page:
    """One page of the ledger: of the actor's company, for vendor admins of all; newest first."""
    return await find_page(
        db[MAILS],
        {} if actor.is_vendor_admin else {"company_id": actor.company_id},
        order=Order.read(query.sort or "-created_at", _DELIVERY_ORDERS),
        limit=query.limit,
        cursor=query.cursor,
        hidden=("facts",),
    )

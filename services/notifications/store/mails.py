"""The ledger of mails: rows are written, claimed, marked and read. Its clock is the database's, on every replica."""

from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from bson import MinKey
from pydantic import TypeAdapter, ValidationError
from pymongo import ASCENDING, DESCENDING, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from services.notifications.domain.delivery import MOST_STUMBLES, Outcome, Stage, outcome_of_stumble, wait_s
from services.notifications.domain.mails import KEPT_FOR, Mail, MailState, NotToBeSent, Reason, storable
from services.notifications.domain.people import Person
from services.notifications.domain.preferences import Preferences
from services.notifications.store.turns import take_turns
from shared.actor import Actor
from shared.claims import ahead, claim_due, has_date
from shared.mongo import DUPLICATE, Database, Document, drop_index
from shared.paging import Order, Page, find_page
from shared.schemas.notifications import DeliveryQuery

MAILS = "mails"
LEASE = timedelta(seconds=30)

_MAIL = TypeAdapter(Mail)
_WAITING = [MailState.QUEUED.value, MailState.CLAIMED.value]
_DELIVERY_ORDERS = {"created_at": Order("created_at")}
# A row that is due, or will be: final states have no `due_at`.
_UNFINISHED = has_date("due_at")
# By urgency, then in fair turns between companies, then by age. A row of an older version has no turn: it goes first.
_IN_TURN = [("priority", ASCENDING), ("turn", ASCENDING), ("created_at", ASCENDING)]
# Any priority, spelled out: else the index gives the order only, and each row that is not due is read.
_ANY_PRIORITY: Document = {"priority": {"$gte": MinKey()}}
_NEWEST_FIRST = [("created_at", DESCENDING), ("_id", DESCENDING)]


class UnreadableRow(Exception):
    """A row that this version of the code cannot read; it has been put off."""


async def create_indexes(db: Database) -> None:
    """For claiming in turn, for one mail per person and event, and for lists."""
    mails = db[MAILS]
    # Of an older version: the planner might take it for claiming.
    await drop_index(mails, "due")
    # `due_at` comes last, so that the index alone passes over rows that are not due.
    await mails.create_index([*_IN_TURN, ("due_at", ASCENDING)], name="turn", partialFilterExpression=_UNFINISHED)
    await mails.create_index(
        [("event_id", ASCENDING), ("kind", ASCENDING), ("person", ASCENDING)],
        name="one_mail_per_person",
        unique=True,
        partialFilterExpression={"person": {"$type": "string"}},
    )
    await mails.create_index("user_id", name="waiting", partialFilterExpression=_UNFINISHED)
    await mails.create_index("person", name="waiting_person", partialFilterExpression=_UNFINISHED)
    await mails.create_index(_NEWEST_FIRST)
    for field in ("company_id", "email"):
        await mails.create_index([(field, ASCENDING), *_NEWEST_FIRST])
    await mails.create_index([("company_id", ASCENDING), ("kind", ASCENDING), *_NEWEST_FIRST])


def load(document: Document) -> Mail:
    """A row as the domain knows it."""
    return _MAIL.validate_python({"id": document["_id"], **document})


# Writing rows


async def put_mails(db: Database, *mails: Mail) -> None:
    """Inserts rows of one company and kind, due at once; a row that exists already stays as it is."""
    if not mails:
        return
    turns = await take_turns(db, mails[0].company_id, mails[0].priority, count=len(mails))
    try:
        rows = [_new_row(mail, turn) for mail, turn in zip(mails, turns, strict=True)]
        await db[MAILS].bulk_write(rows, ordered=False)
    except BulkWriteError as error:
        problems = error.details
        if problems["writeConcernErrors"] or any(each["code"] != DUPLICATE for each in problems["writeErrors"]):
            raise


def _new_row(mail: Mail, turn: int) -> UpdateOne:
    excluded = {"id", "expires_at", "created_at", "updated_at", "person", "lease", "turn"}
    fields = storable(_MAIL.dump_python(mail, exclude=excluded)) | {"priority": int(mail.priority), "turn": turn}
    expires_at: object = mail.expires_at or ahead(KEPT_FOR)
    times = {"created_at": "$$NOW", "updated_at": "$$NOW", "due_at": "$$NOW", "expires_at": expires_at}
    new = {"$mergeObjects": [{"$literal": fields}, times, "$$ROOT"]}
    # The second condition never holds for a row: what this finds is nothing, and the upsert inserts or is refused.
    return UpdateOne({"_id": mail.id, "event_id": {"$exists": False}}, [{"$replaceWith": new}], upsert=True)


# Sending rows


async def claim_mail(db: Database, *, lease: UUID, in_hand: Collection[str]) -> Mail | None:
    """Claims the due row whose turn it is; a row whose last sender died is due again.

    UnreadableRow when another version wrote it in a form that this one does not know.
    """
    claimed, sending = ({"$eq": ["$state", state.value]} for state in (MailState.CLAIMED, MailState.SENDING))
    interrupted = {"$or": [claimed, sending]}
    document = await claim_due(
        db[MAILS],
        "due_at",
        lease=LEASE,
        wanted={**_ANY_PRIORITY, "_id": {"$nin": list(in_hand)}},
        changes={
            "state": MailState.CLAIMED.value,
            "lease": lease,
            "updated_at": "$$NOW",
            "is_expired": {"$lte": ["$expires_at", "$$NOW"]},
            "was_claimed": interrupted,
            "was_interrupted": sending,
            "interruptions": _one_more_if(interrupted, "$interruptions"),
            "unknown_outcomes": _one_more_if(sending, "$unknown_outcomes"),
        },
        sort=_IN_TURN,
    )
    if document is None:
        return None
    try:
        return load(document)
    except ValidationError as error:
        await _put_off_unread(db, document, error)
        raise UnreadableRow(document["_id"]) from error


def _one_more_if(condition: Document, counter: str) -> Document:
    return {"$add": [{"$ifNull": [counter, 0]}, {"$cond": [condition, 1, 0]}]}


async def _put_off_unread(db: Database, document: Document, error: ValidationError) -> None:
    """Counts as any other stumble; a sender of the version that wrote the row may read it meanwhile."""
    stumbles, tries = document.get("stumbles", 0) + 1, document.get("tries", 0) + 1
    is_final = stumbles >= MOST_STUMBLES or document["is_expired"]
    changes = {
        "state": (MailState.FAILED if is_final else MailState.QUEUED).value,
        "stumbles": stumbles,
        "tries": tries,
        "smtp_reply": outcome_of_stumble(Stage.SENDER, error).reply,
        **({"reason": Reason.UNEXPECTED.value} if is_final else {"due_at": ahead(timedelta(seconds=wait_s(tries)))}),
    }
    await _change(db, {"_id": document["_id"], "lease": document["lease"]}, changes, final=is_final)


async def _mark(
    db: Database, mail: Mail, *, while_in: MailState, changes: Document, final: bool = False, frees: bool = False
) -> bool:
    """Changes a row where this lease still holds: a sender that slept too long must not undo what another did."""
    wanted = {"_id": mail.id, "lease": mail.lease, "state": while_in.value}
    return await _change(db, wanted, changes, final=final, frees=frees)


async def _change(db: Database, wanted: Document, changes: Document, *, final: bool, frees: bool = False) -> bool:
    """`frees`: the person may get the mail at another address."""
    update: list[Document] = [{"$set": storable(changes) | {"updated_at": "$$NOW"}}]
    if final:
        update.append({"$unset": ["due_at", "lease", *(["person"] if frees else [])]})
    return (await db[MAILS].update_one(wanted, update)).matched_count == 1


async def name_person(db: Database, mail: Mail, person: Person) -> bool:
    """Writes who the mail is for; NotToBeSent when the same event tells the same person in another row."""
    try:
        return await _mark(db, mail, while_in=MailState.CLAIMED, changes={"person": {"$literal": person.key}})
    except DuplicateKeyError as error:
        raise NotToBeSent(Reason.SAME_PERSON) from error


async def mark_suppressed(db: Database, mail: Mail, reason: Reason) -> bool:
    """Ends the row: it will not be sent, for this reason."""
    changes = {"state": MailState.SUPPRESSED.value, "reason": reason.value}
    frees = reason.is_of_the_address
    return await _mark(db, mail, while_in=MailState.CLAIMED, changes=changes, final=True, frees=frees)


async def mark_failed(db: Database, mail: Mail, *, reason: Reason | None = None, reply: str | None = None) -> bool:
    """It could not be sent; `reply` is left as it is when None."""
    changes: Document = {"state": MailState.FAILED.value}
    if reason is not None:
        changes["reason"] = reason.value
    if reply is not None:
        changes["smtp_reply"] = {"$literal": reply}
    frees = mail.unknown_outcomes == 0
    return await _mark(db, mail, while_in=MailState.CLAIMED, changes=changes, final=True, frees=frees)


async def mark_due_again(db: Database, mail: Mail, *, wait_s: float) -> bool:
    """Back into the queue without having been tried."""
    changes = {"state": MailState.QUEUED.value, "due_at": ahead(timedelta(seconds=wait_s))}
    return await _mark(db, mail, while_in=MailState.CLAIMED, changes=changes)


async def mark_sending(db: Database, mail: Mail) -> bool:
    """From here on the server may have it. False when the row is no longer ours: opted out, or the lease has ended."""
    changes = {
        "state": MailState.SENDING.value,
        "due_at": ahead(LEASE),
        "sending_at": "$$NOW",
        "tries": {"$add": ["$tries", 1]},
    }
    return await _mark(db, mail, while_in=MailState.CLAIMED, changes=changes)


async def keep_sending(db: Database, mail: Mail) -> bool:
    """Extends the lease: a slow server does not mean that the sender has died."""
    return await _mark(db, mail, while_in=MailState.SENDING, changes={"due_at": ahead(LEASE)})


async def mark_counted(db: Database, mail: Mail) -> bool:
    """It has been counted among the mails to strangers."""
    return await _mark(db, mail, while_in=MailState.CLAIMED, changes={"is_counted": True})


async def mark_outcome(db: Database, mail: Mail, outcome: Outcome, *, wait_s: float) -> bool:
    """Writes the outcome of a try; where it is to be tried again, that is in `wait_s` seconds."""
    changes: Document = {"state": outcome.state.value, "smtp_reply": {"$literal": outcome.reply}}
    if outcome.is_unknown:
        changes["unknown_outcomes"] = {"$add": ["$unknown_outcomes", 1]}
    if outcome.is_stumble:
        changes["stumbles"] = {"$add": [{"$ifNull": ["$stumbles", 0]}, 1]}
    if outcome.reason is not None:
        changes["reason"] = outcome.reason.value
    if outcome.state is MailState.QUEUED:
        changes["due_at"] = ahead(timedelta(seconds=wait_s))
        return await _mark(db, mail, while_in=MailState.SENDING, changes=changes)
    if outcome.state is not MailState.SENT:
        frees = mail.unknown_outcomes + outcome.is_unknown == 0
        return await _mark(db, mail, while_in=MailState.SENDING, changes=changes, final=True, frees=frees)
    changes["sent_at"] = "$$NOW"
    return await _mark(db, mail, while_in=MailState.SENDING, changes=changes, final=True) or (
        # Too late for the lease, but no other sender has begun: the server has the mail, and must not get it again.
        await _change(db, {"_id": mail.id, "state": {"$in": _WAITING}}, changes, final=True)
    )


async def mark_stumble(db: Database, mail: Mail, outcome: Outcome, *, wait_s: float) -> bool:
    """A try that failed in an unforeseen way, before or while sending: it counts like one that the server has seen."""
    sending = {"$eq": ["$state", MailState.SENDING.value]}
    changes: Document = {
        "state": outcome.state.value,
        "smtp_reply": {"$literal": outcome.reply},
        "stumbles": {"$add": [{"$ifNull": ["$stumbles", 0]}, 1]},
        "tries": {"$add": ["$tries", {"$cond": [sending, 0, 1]}]},
        "unknown_outcomes": _one_more_if(sending, "$unknown_outcomes"),
    }
    final = outcome.state is not MailState.QUEUED
    changes |= {"reason": Reason.UNEXPECTED.value} if final else {"due_at": ahead(timedelta(seconds=wait_s))}
    in_work = [MailState.CLAIMED.value, MailState.SENDING.value]
    return await _change(db, {"_id": mail.id, "lease": mail.lease, "state": {"$in": in_work}}, changes, final=final)


async def find_before(db: Database, mail: Mail) -> list[Mail]:
    """The rows of the same event that come before this one; without those of a version that cannot be read."""
    found: list[Mail] = []
    if mail.before:
        async for document in db[MAILS].find({"_id": {"$in": list(mail.before)}}):
            with suppress(ValidationError):
                found.append(load(document))
    return found


# Suppressing rows, and finding them by their link


async def suppress_waiting(db: Database, person: Person, preferences: Preferences) -> None:
    """Suppresses waiting mails of the kinds that this person has opted out of; those being sent are left alone."""
    await db[MAILS].update_many(
        {
            **_UNFINISHED,
            "$or": [{"person": person.key}, *_rows_naming_user(person)],
            "kind": {"$in": list(preferences.refused)},
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
    # A row that names only an address is checked again when it is sent: it may be another person's by then.
    return [] if person.user_id is None else [{"user_id": person.user_id}]


async def find_mail_of_link(db: Database, link_id: UUID) -> Mail | None:
    """The row that an unsubscribe link belongs to."""
    # A range of ids, because the link holds the first half of one. A ledger that forgets rows one day must keep them
    # for as long as people read their mails: without its row a link stops nothing.
    document = await db[MAILS].find_one({"_id": {"$gte": link_id.hex, "$lt": f"{link_id.hex}g"}})
    try:
        return None if document is None else load(document)
    except ValidationError:
        return None  # another version's


# The ledger, to be read


async def find_deliveries(db: Database, actor: Actor, query: DeliveryQuery) -> Page:
    """One page of the ledger: of a company, for vendor admins who name none of all; newest first."""
    asked = {"email": query.email, "kind": query.kind, "state": query.state}
    is_of_all = actor.is_vendor_admin and query.company_id is None
    wanted: Document = {} if is_of_all else {"company_id": actor.company_to_read(query.company_id)}
    return await find_page(
        db[MAILS],
        wanted | {name: value for name, value in asked.items() if value is not None},
        query,
        order=Order.read(query.sort or "-created_at", _DELIVERY_ORDERS),
        hidden=("facts",),
    )

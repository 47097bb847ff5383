"""How rows of the ledger are sent: claimed in their turn, marked as being sent, and marked with what came of it.

A sender has a lease on the rows it has claimed. Whatever it marks, it marks where its lease still holds: one that slept
too long must not undo what another did.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from uuid import UUID

import structlog
from bson import MinKey
from pydantic import ValidationError
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from services.notifications.domain.delivery import MOST_STUMBLES, Outcome, Stage, outcome_of_stumble, wait_s
from services.notifications.domain.mails import Mail, MailState, Reason, storable
from services.notifications.domain.people import Person
from services.notifications.store.mails import IN_TURN, LEASE, MAILS, WAITING, load, put_mails
from shared.claims import ahead, is_due
from shared.mongo import DUPLICATE, Database, Document

# Any priority, spelled out: else the index gives the order only, and each row that is not due is read.
_ANY_PRIORITY: Document = {"priority": {"$gte": MinKey()}}
_CLAIMED, _SENDING = MailState.CLAIMED.value, MailState.SENDING.value
_IN_WORK = {"$in": [_CLAIMED, _SENDING]}

Mark = UpdateOne  # what is to be written into one row

_log = structlog.get_logger()


# Claiming


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed row, and the rows of its event that come before it; without those that this version cannot read."""

    mail: Mail
    before: tuple[Mail, ...] = ()


async def claim_mails(db: Database, *, lease: UUID, in_hand: Collection[str], at_most: int) -> list[Claim] | None:
    """Claims the due rows whose turn it is; a row whose last sender died is due again. None when nothing is due.

    Other senders may be faster with some of them, or all. A row that another version wrote in a form that this one does
    not know is put off.
    """
    wanted = {**_ANY_PRIORITY, **is_due("due_at"), "_id": {"$nin": list(in_hand)}}
    due = await db[MAILS].find(wanted, {"of_event": 1}).sort(IN_TURN).limit(at_most).to_list()
    if not due:
        return None
    ids = [row["_id"] for row in due]
    await db[MAILS].update_many({"_id": {"$in": ids}, **is_due("due_at")}, [{"$set": _claimed(lease)}])
    before = {each for row in due for each in takewhile(row["_id"].__ne__, row.get("of_event", ()))}
    return await _read_claims(db, lease, ids, before)


async def put_claimed(db: Database, mails: Sequence[Mail], *, lease: UUID) -> list[Claim]:
    """Writes rows that are claimed from the start. Those that exist already stay as they are, and are not claimed."""
    await put_mails(db, mails, lease=lease)
    return await _read_claims(db, lease, [mail.id for mail in mails])


async def _read_claims(db: Database, lease: UUID, ids: Sequence[str], before: Collection[str] = ()) -> list[Claim]:
    """What the lease holds of these rows, in their order."""
    mails: dict[str, Mail] = {}
    unread = []
    async for row in db[MAILS].find({"_id": {"$in": [*{*ids, *before}]}}):
        try:
            mails[row["_id"]] = load(row)
        except ValidationError as error:
            if row.get("lease") == lease:
                unread.append(_unread(row, error))
    await mark(db, unread)
    claimed = (mails[each] for each in ids if each in mails and mails[each].lease == lease)
    return [Claim(mail, tuple(mails[each] for each in mail.before if each in mails)) for mail in claimed]


def _claimed(lease: UUID) -> Document:
    claimed, sending = ({"$eq": ["$state", state]} for state in (_CLAIMED, _SENDING))
    interrupted = {"$or": [claimed, sending]}
    return {
        "state": _CLAIMED,
        "lease": lease,
        "due_at": ahead(LEASE),
        "updated_at": "$$NOW",
        "is_expired": {"$lte": ["$expires_at", "$$NOW"]},
        "was_claimed": interrupted,
        "was_interrupted": sending,
        "interruptions": _one_more_if(interrupted, "$interruptions"),
        "unknown_outcomes": _one_more_if(sending, "$unknown_outcomes"),
    }


def _one_more_if(condition: Document, counter: str) -> Document:
    return {"$add": [{"$ifNull": [counter, 0]}, {"$cond": [condition, 1, 0]}]}


def _unread(row: Document, error: ValidationError) -> Mark:
    """Counts as any other stumble; a sender of the version that wrote the row may read it meanwhile."""
    _log.warning("mail_unreadable", id=row["_id"], reason=type(error).__name__)
    stumbles, tries = row.get("stumbles", 0) + 1, row.get("tries", 0) + 1
    is_final = stumbles >= MOST_STUMBLES or row["is_expired"]
    changes = {
        "state": (MailState.FAILED if is_final else MailState.QUEUED).value,
        "stumbles": stumbles,
        "tries": tries,
        "smtp_reply": outcome_of_stumble(Stage.SENDER, error).reply,
        **({"reason": Reason.UNEXPECTED.value} if is_final else {"due_at": ahead(timedelta(seconds=wait_s(tries)))}),
    }
    return _change({"_id": row["_id"], "lease": row["lease"]}, changes, final=is_final)


async def keep_leases(db: Database, mails: Iterable[Mail]) -> None:
    """Extends the leases: a slow server does not mean that the sender has died."""
    await db[MAILS].update_many({**_rows_of(mails), "state": _IN_WORK}, [{"$set": {"due_at": ahead(LEASE)}}])


def _rows_of(mails: Iterable[Mail]) -> Document:
    leases = {mail.id: mail.lease for mail in mails}
    return {"_id": {"$in": list(leases)}, "lease": {"$in": list(set(leases.values()))}}


# Marks


async def mark(db: Database, marks: Sequence[Mark]) -> int:
    """Writes marks, for many rows at once; how many rows were still their sender's."""
    return (await db[MAILS].bulk_write(marks, ordered=False)).matched_count if marks else 0


def suppressed(mail: Mail, reason: Reason) -> Mark:
    """Ends the row: it will not be sent, for this reason."""
    changes = {"state": MailState.SUPPRESSED.value, "reason": reason.value}
    return _mark(mail, while_in=_CLAIMED, changes=changes, final=True, frees=reason.is_of_the_address)


def failed(mail: Mail, *, reason: Reason | None = None, reply: str | None = None) -> Mark:
    """It could not be sent; `reply` is left as it is when None."""
    changes: Document = {"state": MailState.FAILED.value}
    if reason is not None:
        changes["reason"] = reason.value
    if reply is not None:
        changes["smtp_reply"] = {"$literal": reply}
    return _mark(mail, while_in=_CLAIMED, changes=changes, final=True, frees=mail.unknown_outcomes == 0)


def due_again(mail: Mail, *, wait_s: float) -> Mark:
    """Back into the queue without having been tried."""
    changes = {"state": MailState.QUEUED.value, "due_at": ahead(timedelta(seconds=wait_s))}
    return _mark(mail, while_in=_CLAIMED, changes=changes)


def stumbled(mail: Mail, outcome: Outcome) -> Mark:
    """A try that failed in an unforeseen way, before or while sending: it counts like one that the server has seen."""
    sending = {"$eq": ["$state", _SENDING]}
    wait = wait_s(mail.tries + 1, unknown=mail.unknown_outcomes)
    changes: Document = {
        "state": outcome.state.value,
        "smtp_reply": {"$literal": outcome.reply},
        "stumbles": {"$add": [{"$ifNull": ["$stumbles", 0]}, 1]},
        "tries": {"$add": ["$tries", {"$cond": [sending, 0, 1]}]},
        "unknown_outcomes": _one_more_if(sending, "$unknown_outcomes"),
    }
    final = outcome.state is not MailState.QUEUED
    changes |= {"reason": Reason.UNEXPECTED.value} if final else {"due_at": ahead(timedelta(seconds=wait))}
    return _change({**_row_of(mail), "state": _IN_WORK}, changes, final=final)


def _row_of(mail: Mail) -> Document:
    return {"_id": mail.id, "lease": mail.lease}


def _mark(mail: Mail, *, while_in: str, changes: Document, final: bool = False, frees: bool = False) -> Mark:
    return _change({**_row_of(mail), "state": while_in}, changes, final=final, frees=frees)


def _change(wanted: Document, changes: Document, *, final: bool, frees: bool = False) -> Mark:
    """`frees`: the person may get the mail at another address."""
    update: list[Document] = [{"$set": storable(changes) | {"updated_at": "$$NOW"}}]
    if final:
        update.append({"$unset": ["due_at", "lease", *(["person"] if frees else [])]})
    return UpdateOne(wanted, update)


async def name_persons(db: Database, named: Sequence[tuple[Mail, Person]]) -> set[str]:
    """Writes who the mails are for; the ids of those whose event tells the same person in another row."""
    marks = [_mark(mail, while_in=_CLAIMED, changes={"person": {"$literal": person.key}}) for mail, person in named]
    try:
        await mark(db, marks)
    except BulkWriteError as error:
        problems = error.details
        if problems["writeConcernErrors"] or any(each["code"] != DUPLICATE for each in problems["writeErrors"]):
            raise
        return {named[each["index"]][0].id for each in problems["writeErrors"]}
    return set()


# Sending, and what came of it


async def mark_sending(db: Database, mails: Sequence[Mail], *, counted: Collection[str] = ()) -> set[str]:
    """From here on the server may have them; the ids of those rows that are still ours.

    The others were opted out of, or their lease has ended. `counted` are those that count among the mails to strangers.
    """
    changes: Document = {
        "state": _SENDING,
        "sending_at": "$$NOW",
        "updated_at": "$$NOW",
        "tries": {"$add": ["$tries", 1]},
    }
    if counted:
        changes["is_counted"] = {"$or": ["$is_counted", {"$in": ["$_id", list(counted)]}]}
    if not mails:
        return set()
    marked = await db[MAILS].update_many({**_rows_of(mails), "state": _CLAIMED}, [{"$set": changes}])
    if marked.matched_count == len(mails):
        return {mail.id for mail in mails}
    ours = await db[MAILS].find({**_rows_of(mails), "state": _SENDING}, {"_id": 1}).to_list()
    return {row["_id"] for row in ours}


async def put_back(db: Database, mails: Sequence[Mail]) -> None:
    """Of rows that were marked as being sent, and that nobody has begun to send: as if they had not been marked."""
    changes = {
        "state": MailState.QUEUED.value,
        "due_at": "$$NOW",
        "updated_at": "$$NOW",
        "tries": {"$subtract": ["$tries", 1]},
    }
    await db[MAILS].update_many({**_rows_of(mails), "state": _SENDING}, [{"$set": changes}])


async def mark_outcomes(db: Database, outcomes: Sequence[tuple[Mail, Outcome]]) -> list[bool]:
    """Writes the outcomes of tries; for each whether it was recorded, which it is not where a lease has ended.

    Done twice, it does no harm.
    """
    replies = {mail.id: outcome.reply for mail, outcome in outcomes if outcome.state is MailState.SENT}
    ours = {**_rows_of(mail for mail, _ in outcomes), "state": _SENDING}
    unsent = [_unsent(mail, outcome) for mail, outcome in outcomes if outcome.state is not MailState.SENT]
    if await mark(db, unsent) + await _mark_sent(db, replies, wanted=ours) == len(outcomes):
        return [True] * len(outcomes)
    # Too late for the lease. Where no other sender has begun: the server has the mail, and must not get it again.
    await _mark_sent(db, replies, wanted={"state": {"$in": WAITING}})
    found = db[MAILS].find({"_id": {"$in": [mail.id for mail, _ in outcomes]}}, {"state": 1})
    states = {row["_id"]: row["state"] async for row in found}
    return [states.get(mail.id) == outcome.state.value for mail, outcome in outcomes]


async def _mark_sent(db: Database, replies: Mapping[str, str], *, wanted: Document) -> int:
    """In one write, of which each row takes its own reply."""
    if not replies:
        return 0
    ids = list(replies)
    place = {"$indexOfArray": [{"$literal": ids}, "$_id"]}
    changes = {
        "state": MailState.SENT.value,
        "smtp_reply": {"$arrayElemAt": [{"$literal": storable([*replies.values()])}, place]},
        "sent_at": "$$NOW",
        "updated_at": "$$NOW",
    }
    update: list[Document] = [{"$set": changes}, {"$unset": ["due_at", "lease"]}]
    return (await db[MAILS].update_many({**wanted, "_id": {"$in": ids}}, update)).matched_count


def _unsent(mail: Mail, outcome: Outcome) -> Mark:
    changes: Document = {"state": outcome.state.value, "smtp_reply": {"$literal": outcome.reply}}
    if outcome.is_unknown:
        changes["unknown_outcomes"] = {"$add": ["$unknown_outcomes", 1]}
    if outcome.is_stumble:
        changes["stumbles"] = {"$add": [{"$ifNull": ["$stumbles", 0]}, 1]}
    if outcome.reason is not None:
        changes["reason"] = outcome.reason.value
    if outcome.state is MailState.QUEUED:
        wait = wait_s(mail.tries + 1, unknown=mail.unknown_outcomes + outcome.is_unknown)
        changes["due_at"] = ahead(timedelta(seconds=wait))
    frees = outcome.state is MailState.FAILED and mail.unknown_outcomes + outcome.is_unknown == 0
    final = outcome.state is not MailState.QUEUED
    return _mark(mail, while_in=_SENDING, changes=changes, final=final, frees=frees)

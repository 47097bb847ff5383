"""Counters of failed sign-ins and typed codes, and the networks from which somebody signs in well."""

from datetime import datetime, timedelta

from pymongo import ReturnDocument

from services.identity.domain.sessions import FAILURES_WITHIN, FIRST_WAIT, KNOWN_FOR, LONGEST_WAIT
from shared.mongo import Database, Document

COUNTERS = "counters"
KNOWN_CLIENTS = "known_clients"

_TRIES_KEPT_FOR = timedelta(days=1)  # longer than any code is valid, by whatever clock


async def create_indexes(db: Database) -> None:
    """What is asked by network; what the database forgets by itself."""
    await db[COUNTERS].create_index("window_ends_at", name="forget", expireAfterSeconds=0)
    await db[KNOWN_CLIENTS].create_index("network")
    await db[KNOWN_CLIENTS].create_index("known_until", name="forget", expireAfterSeconds=0)


async def count_failure(db: Database, counter: str, now: datetime, *, most: int) -> datetime | None:
    """Counts one failure; the end of the wait when there is one already, and then nothing is counted.

    One atomic update decides: however many try at once, only `most` get through before the first wait.
    """
    document = await db[COUNTERS].find_one_and_update(
        {"_id": counter}, _counting(now, most=most), upsert=True, return_document=ReturnDocument.AFTER
    )
    return document["blocked_until"] if document and document["refused"] else None


async def count_failure_with(db: Database, counter: str, who: str, now: datetime, *, most: int) -> None:
    """Counts a failure with `who`, once for each of them."""
    await db[COUNTERS].update_one({"_id": counter}, _counting(now, most=most, who=who), upsert=True)


async def forgive_failure_with(db: Database, counter: str, who: str) -> None:
    """After a success with `who`."""
    await db[COUNTERS].update_one({"_id": counter, "who": who}, {"$pull": {"who": who}, "$inc": {"failures": -1}})


async def find_wait(db: Database, counter: str, now: datetime) -> datetime | None:
    """The end of the wait that a counter has come to, if it lies ahead."""
    document = await db[COUNTERS].find_one({"_id": counter, "blocked_until": {"$gt": now}})
    return None if document is None else document["blocked_until"]


async def forget_failures(db: Database, *counters: str) -> None:
    """After a success."""
    await db[COUNTERS].delete_many({"_id": {"$in": counters}})


# One update counts, and decides by what the counter was before:
#
#   before                                  failures   blocked_until        window_ends_at             refused
#   no counter, or its window is over       1          now (no wait)        now + window               no
#   a wait is going on                      as before  as before            as before                  yes
#   `who` is counted already                as before  as before            as before                  yes
#   else, fewer than `most` with this one   + 1        as before            as before                  no
#   else, `most` or more with this one      + 1        now + wait           now + wait + window        no
#
# The wait doubles with every failure beyond `most`, from FIRST_WAIT to LONGEST_WAIT.
def _counting(now: datetime, *, most: int, who: str | None = None) -> list[Document]:
    fresh = {"$lte": [{"$ifNull": ["$window_ends_at", now]}, now]}
    waiting = {"$gt": [{"$ifNull": ["$blocked_until", now]}, now]}
    over = {"$subtract": ["$failures", most]}
    doubled = {"$multiply": [_ms(FIRST_WAIT), {"$pow": [2, {"$min": [over, 20]}]}]}
    wait = {"$toLong": {"$min": [_ms(LONGEST_WAIT), doubled]}}
    window = _ms(FAILURES_WITHIN)
    counted: Document = {
        "blocked_until": {"$cond": [{"$gte": [over, 0]}, {"$add": [now, wait]}, "$blocked_until"]},
        # The window moves on with each wait, so that the next failure waits longer.
        "window_ends_at": {"$cond": [{"$gte": [over, 0]}, {"$add": [now, wait, window]}, "$window_ends_at"]},
    }
    kept_when_refused = {
        field: {"$cond": ["$refused", f"${field}", expression]} for field, expression in counted.items()
    }
    not_counted = waiting if who is None else {"$or": [waiting, {"$in": [who, {"$ifNull": ["$who", []]}]}]}
    return [
        {"$set": {"refused": {"$and": [{"$not": fresh}, not_counted]}, "fresh": fresh}},
        {
            "$set": {
                "failures": _unless_refused("failures", first=1, next_={"$add": ["$failures", 1]}),
                "blocked_until": {"$cond": ["$fresh", now, "$blocked_until"]},
                "window_ends_at": {"$cond": ["$fresh", {"$add": [now, window]}, "$window_ends_at"]},
            }
            | ({} if who is None else {"who": _unless_refused("who", first=[who], next_=_and_one("who", who))})
        },
        {"$set": kept_when_refused},
    ]


def _unless_refused(field: str, *, first: object, next_: object) -> Document:
    """A counted field: as it is where nothing is counted, else its first value in a new window, or its next."""
    branches = [{"case": "$refused", "then": f"${field}"}, {"case": "$fresh", "then": first}]
    return {"$switch": {"branches": branches, "default": next_}}


def _and_one(field: str, value: str) -> Document:
    return {"$concatArrays": [f"${field}", [value]]}


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)


# Codes that are typed


async def count_try(db: Database, counter: str, now: datetime) -> int:
    """Counts a typed code before anybody compares it; how many there were, with this one."""
    once = {"window_ends_at": now + _TRIES_KEPT_FOR}
    document = await db[COUNTERS].find_one_and_update(
        {"_id": counter},
        {"$inc": {"tries": 1}, "$setOnInsert": once},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    return document["tries"] if document else 1


# Networks that are known


async def put_known_client(db: Database, network: str, who: str, now: datetime) -> None:
    """Somebody signed in well from there; `who` is no address, but tells addresses apart."""
    known = {"network": network, "known_until": now + KNOWN_FOR}
    await db[KNOWN_CLIENTS].update_one({"_id": f"{network} {who}"}, {"$set": known}, upsert=True)


async def is_known_client(db: Database, network: str, who: str, now: datetime) -> bool:
    """Whether they signed in well from this network lately."""
    wanted = {"_id": f"{network} {who}", "known_until": {"$gt": now}}
    return await db[KNOWN_CLIENTS].find_one(wanted, {"_id": 1}) is not None


async def count_known_clients(db: Database, network: str, now: datetime, *, at_most: int) -> int:
    """How many addresses signed in well from this network lately."""
    wanted = {"network": network, "known_until": {"$gt": now}}
    return await db[KNOWN_CLIENTS].count_documents(wanted, limit=at_most)

"""Copies of users and companies, and addresses that bounce, with the mail server's reply."""

import asyncio
from collections.abc import Collection

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.notifications.domain.mails import Mail, storable
from services.notifications.domain.people import User
from services.notifications.domain.verdicts import Known, Users
from shared.mongo import Database

USERS = "users"
COMPANIES = "companies"
BOUNCING = "bouncing"

_USER_FIELDS = ("company_id", "login_email", "contact_email", "active", "language", "time_zone")
_COMPANY_FIELDS = ("time_zone", "suspended")


async def create_indexes(db: Database) -> None:
    """For finding a user by address."""
    await db[USERS].create_index([("login_email", ASCENDING), ("company_id", ASCENDING)])
    await db[USERS].create_index([("contact_email", ASCENDING), ("company_id", ASCENDING)])


async def find_users(db: Database, mails: Collection[Mail]) -> Users:
    """The users that the rows name and who caused them, and those who have their addresses."""
    named = {user_id for mail in mails for user_id in (mail.user_id, mail.caused_by) if user_id is not None}
    emails = list({mail.email for mail in mails})
    companies = list({mail.company_id for mail in mails})
    found = db[USERS].find(
        {
            "$or": [
                {"_id": {"$in": list(named)}},
                {"login_email": {"$in": emails}},
                {"contact_email": {"$in": emails}, "company_id": {"$in": companies}},
            ]
        },
        _USER_FIELDS,
    )
    return Users(User(id=document.pop("_id"), **document) for document in await found.to_list())


async def find_known(db: Database, mails: Collection[Mail]) -> Known:
    """What the copies say of the mails' people, companies and addresses: each kind in one read."""
    users, companies, bouncing = await asyncio.gather(
        find_users(db, mails),
        db[COMPANIES].find({"_id": {"$in": list({mail.company_id for mail in mails})}}, _COMPANY_FIELDS).to_list(),
        find_bouncing(db, {mail.email for mail in mails}),
    )
    return Known(
        users,
        time_zones={company["_id"]: company.get("time_zone") for company in companies},
        suspended={company["_id"] for company in companies if company.get("suspended")},
        bouncing=bouncing,
    )


async def put_bouncing(db: Database, email: str, *, reply: str) -> None:
    """Remembers that a mail server has refused this recipient permanently."""
    try:
        await db[BOUNCING].update_one(
            {"_id": storable(email)}, [{"$set": {"reply": {"$literal": storable(reply)}, "at": "$$NOW"}}], upsert=True
        )
    except DuplicateKeyError:
        return  # another sender has just written it


async def find_bouncing(db: Database, emails: Collection[str]) -> dict[str, str]:
    """Those of the addresses that bounce, each with the mail server's reply."""
    documents = await db[BOUNCING].find({"_id": {"$in": list(emails)}}).to_list()
    return {document["_id"]: document["reply"] for document in documents}


async def clear_bouncing(db: Database, email: str) -> bool:
    """Lets later mails go to the address again; whether it was bouncing."""
    return (await db[BOUNCING].delete_one({"_id": email})).deleted_count == 1

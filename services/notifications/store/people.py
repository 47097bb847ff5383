"""Copies of users and companies, and addresses that bounce, with the mail server's reply."""

from collections.abc import Collection
from uuid import UUID

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.notifications.domain.mails import Mail, NotToBeSentYet, storable
from services.notifications.domain.people import Person, user_key
from shared.mongo import Database, Document

USERS = "users"
COMPANIES = "companies"
BOUNCING = "bouncing"


async def create_indexes(db: Database) -> None:
    """For finding a user by address."""
    await db[USERS].create_index([("login_email", ASCENDING), ("company_id", ASCENDING)])
    await db[USERS].create_index([("contact_email", ASCENDING), ("company_id", ASCENDING)])


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
    is_stranger = not await _is_login(db, mail.email)
    if user is None:
        time_zone = await _find_time_zone(db, mail.company_id)
        return Person.of_address(mail.email, mail.company_id, time_zone=time_zone, is_stranger=is_stranger)
    return Person.of_user(
        user["_id"],
        active=user["active"],
        language=user["language"],
        time_zone=user["time_zone"],
        is_stranger=is_stranger,
    )


async def find_key(db: Database, mail: Mail) -> str:
    """The key of the person whom the row is for, though their copy may not have come."""
    return user_key(mail.user_id) if mail.user_id is not None else (await find_person(db, mail)).key


async def _is_login(db: Database, email: str) -> bool:
    """Whether the address is a verified login of an active user, in any company.

    The address of a profile is not enough: people may type any address there.
    """
    return await db[USERS].find_one({"login_email": email, "active": True}, {"_id": 1}) is not None


async def _find_time_zone(db: Database, company_id: UUID | None) -> str | None:
    company = await db[COMPANIES].find_one({"_id": company_id}, {"time_zone": 1})
    return None if company is None else company.get("time_zone")


async def _find_user_with_address(db: Database, mail: Mail) -> Document | None:
    wanted: Document = {
        "company_id": mail.company_id,
        "$or": [{"login_email": mail.email}, {"contact_email": mail.email}],
    }
    if not mail.may_be_opted_out:
        # A user who was removed may be invited again.
        wanted["active"] = True
    users: list[Document] = await db[USERS].find(wanted).to_list(100)
    return min(users, key=lambda user: (not user["active"], user["login_email"] != mail.email), default=None)


async def is_suspended(db: Database, company_id: UUID | None) -> bool:
    """Whether the copy says that the vendor has suspended the company."""
    return await db[COMPANIES].find_one({"_id": company_id, "suspended": True}, {"_id": 1}) is not None


async def is_bouncing(db: Database, email: str) -> bool:
    """Whether a mail server has refused this recipient permanently."""
    return await db[BOUNCING].find_one({"_id": email}, {"_id": 1}) is not None


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

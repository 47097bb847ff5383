"""Who gets a mail; pure."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from shared.actor import Actor

_ADDRESS = re.compile(r"[^\s<>]+@[^\s<>:;,]+")
USER = "user:"  # how the key of a user begins


def user_key(user_id: UUID) -> str:
    """The key of a user, whatever the address."""
    return f"{USER}{user_id}"


@dataclass(frozen=True, slots=True)
class Person:
    """Who gets a mail: a user, or an address of a company that is no user's; and how they read, where we know it."""

    key: str
    user_id: UUID | None = None
    active: bool = True
    language: str | None = None
    time_zone: str | None = None
    is_stranger: bool = False  # no user signs in with the address, so its owner is not known

    @classmethod
    def of_user(
        cls,
        user_id: UUID,
        *,
        active: bool,
        language: str | None = None,
        time_zone: str | None = None,
        is_stranger: bool = False,
    ) -> Self:
        """A user, whatever the address."""
        return cls(user_key(user_id), user_id, active, language, time_zone, is_stranger)

    @classmethod
    def of_address(
        cls, email: str, company_id: UUID | None, *, time_zone: str | None = None, is_stranger: bool = True
    ) -> Self:
        """An address in a company that no known user has; its time zone is the company's."""
        return cls(f"address:{company_id}:{email}", time_zone=time_zone, is_stranger=is_stranger)


@dataclass(frozen=True, slots=True)
class User:
    """The copy of a user, as far as mails need it."""

    id: UUID
    company_id: UUID
    login_email: str
    contact_email: str
    active: bool
    language: str
    time_zone: str | None


class UnusableAddress(Exception):
    """The address cannot be written into a mail or an SMTP command."""

    def __init__(self) -> None:
        """The text is shown in the ledger."""
        super().__init__("No e-mail can be sent to this address.")


def masked(email: str) -> str:
    """Enough for its owner to recognise, too little for a reader of a forwarded mail."""
    local, _, host = email.rpartition("@")
    return f"{local[:1]}…@{host}"


def addresses_seen(actor: Actor, on_case: Collection[str]) -> Collection[str] | None:
    """The addresses that a reader of a case sees in the ledger about it; None for all of them.

    The vendor's side and the company's administrators see all; others their own, and those on the case.
    """
    if actor.is_vendor or actor.is_company_admin:
        return None
    return {*on_case, actor.email.lower(), actor.login_email.lower()}


def without_addresses(reply: str) -> str:
    """What a mail server answered, which often repeats the address, and may name the one behind it."""
    return _ADDRESS.sub("…", reply)

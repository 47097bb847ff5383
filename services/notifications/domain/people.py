"""Who gets a mail; pure."""

from dataclasses import dataclass
from typing import Self
from uuid import UUID

USER = "user:"  # how the key of a user begins


@dataclass(frozen=True, slots=True)
class Person:
    """Who gets a mail: a user, or an address of a company that is no user's; and how they read, where we know it."""

    key: str
    user_id: UUID | None = None
    active: bool = True
    language: str | None = None
    time_zone: str | None = None
    is_stranger: bool = False  # nobody signs in with the address, so it may be anybody's

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
        return cls(f"{USER}{user_id}", user_id, active, language, time_zone, is_stranger)

    @classmethod
    def of_address(
        cls, email: str, company_id: UUID | None, *, time_zone: str | None = None, is_stranger: bool = True
    ) -> Self:
        """Nobody's address of this company that we know of; its zone is the company's."""
        return cls(f"address:{company_id}:{email}", time_zone=time_zone, is_stranger=is_stranger)


class UnusableAddress(Exception):
    """No mail server could be told this address."""

    def __init__(self) -> None:
        """What the ledger says of it."""
        super().__init__("This is no address that a mail can be sent to.")


def masked(email: str) -> str:
    """Enough for its owner to know it by, too little for whoever got the mail passed on."""
    local, _, host = email.rpartition("@")
    return f"{local[:1]}…@{host}"

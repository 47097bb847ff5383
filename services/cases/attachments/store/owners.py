"""What cites files. Of each kind the service registers how to find its entries: attachments know none of them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from services.cases.attachments.domain.files import Owner
from shared.actor import Actor
from shared.mongo import Database


@dataclass(frozen=True, slots=True)
class OwnerRules:
    """What one kind of owner answers about an entry of its own."""

    has_entry: Callable[[Database, Owner], Awaitable[bool]]
    shows_entry: Callable[[Database, Actor, Owner], Awaitable[bool]]


Owners = Mapping[str, OwnerRules]


async def is_cited(db: Database, owners: Owners, owner: Owner) -> bool:
    """Whether the entry is there. True for a kind that only a newer version knows: its files are not ours to remove."""
    rules = owners.get(owner.kind)
    return rules is None or await rules.has_entry(db, owner)


async def is_shown(db: Database, owners: Owners, actor: Actor, owner: Owner) -> bool:
    """Whether this actor sees the entry, and so its files."""
    rules = owners.get(owner.kind)
    return rules is not None and await rules.shows_entry(db, actor, owner)

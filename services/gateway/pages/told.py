"""Who was told of a case, for its pages: the rows of the ledger, those of one happening together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from aiohttp import web

from services.gateway.case_deliveries import deliveries_of
from services.gateway.clients import SERVICES
from services.gateway.session import Visitor
from shared.errors import Unavailable
from shared.text import in_alphabet, isolated

_SHOWN = 20
_WAITING = frozenset({"queued", "claimed", "sending"})
_FIRST = ("failed", "waiting", "sent", "suppressed")


@dataclass(frozen=True, slots=True)
class Mail:
    """The e-mails about one happening: rows of the ledger with their `outcome`, those that failed first."""

    kind: str
    at: str
    rows: Sequence[Mapping[str, Any]]

    def names(self, outcome: str) -> list[str]:
        """The names of those whose e-mail had this outcome, each once, for a sentence."""
        return list(dict.fromkeys(isolated(row["name"]) for row in self.rows if row["outcome"] == outcome))


@dataclass(frozen=True, slots=True)
class Told:
    """A part of the ledger about a case, newest first, and the cursor to older ones."""

    mails: Sequence[Mail]
    older: str | None
    is_newest: bool


async def find_told(request: web.Request, visitor: Visitor, number: str) -> Told | None:
    """The newest, or what the address asks for; None where nobody was told, or nobody can say."""
    cursor, services = request.query.get("told", ""), request.app[SERVICES]
    query = {"limit": _SHOWN, "total": "false"} | ({"cursor": cursor} if cursor else {})
    try:
        reply = await deliveries_of(services, visitor, number, query, within_s=services.deadlines.told_s)
    except Unavailable:
        return None
    if not reply.ok:
        return None  # what is wrong with the case is said by the case itself
    page = reply.json()
    mails = [_mail(list(rows)) for _, rows in groupby(page["items"], key=lambda row: row["event_id"])]
    return Told(mails, page["next_cursor"], is_newest=not cursor) if mails else None


def _mail(rows: Sequence[Mapping[str, Any]]) -> Mail:
    judged = [{**row, "outcome": "waiting" if row["state"] in _WAITING else row["state"]} for row in rows]
    judged.sort(key=lambda row: (_FIRST.index(row["outcome"]), in_alphabet(row["name"])))
    return Mail(rows[0]["kind"], rows[0]["created_at"], judged)

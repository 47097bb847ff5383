"""What became of the e-mails of invitations, and which addresses get none, from the delivery ledger."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from services.gateway.clients import Query
from services.gateway.pages.backend import Sent, ServiceRefusal, fetch, optional
from services.gateway.session import Visitor
from services.gateway.texts import _
from shared.actor import Role

_NEWEST = 200
_ASKED_AT_ONCE = 20
_WAITING = frozenset({"queued", "claimed", "sending"})


@dataclass(frozen=True, slots=True)
class News:
    """What there is to say of the e-mails to an address; whether it bounces, so that nothing more is sent there."""

    sentence: str
    bounces: bool = False


async def find_news(request: web.Request, visitor: Visitor, emails: Sequence[str]) -> dict[str, News]:
    """Of each address whose invitation has not simply been sent; nothing while the ledger is away."""
    if not emails:
        return {}
    page = await _ask(request, visitor, "/deliveries", {"kind": "invitation", "limit": _NEWEST})
    newest: dict[str, Mapping[str, Any]] = {}
    for row in page["items"] if page else ():
        newest.setdefault(row["email"], row)
    # An invitation of a moment ago is not in the ledger yet, and a very old one is far down.
    unknown = [email for email in emails if email not in newest][:_ASKED_AT_ONCE]
    bouncing = {email: row["bouncing_reply"] for email, row in newest.items() if row.get("bouncing_reply") is not None}
    bouncing |= await find_bouncing(request, visitor, unknown)
    told = {email: News(_sentence(row)) for email, row in newest.items()}
    told |= {email: News(_of_invited(visitor, reply), bounces=True) for email, reply in bouncing.items()}
    return {email: news for email, news in told.items() if news.sentence}


async def find_news_of_users(request: web.Request, visitor: Visitor, emails: Sequence[str]) -> dict[str, News]:
    """Of each address to which nothing is sent any more; nothing while the ledger is away."""
    bouncing = await find_bouncing(request, visitor, emails)
    return {email: News(_of_user(visitor, reply), bounces=True) for email, reply in bouncing.items()}


async def find_bouncing(request: web.Request, visitor: Visitor, emails: Sequence[str]) -> dict[str, str]:
    """Those of the addresses that get no mail, with what a mail server said of them."""
    asked = [emails[start : start + _ASKED_AT_ONCE] for start in range(0, len(emails), _ASKED_AT_ONCE)]
    answers = await asyncio.gather(*(_ask(request, visitor, "/bouncing-addresses", {"email": part}) for part in asked))
    return {item["email"]: item["smtp_reply"] for answer in answers if answer for item in answer["items"]}


async def _ask(request: web.Request, visitor: Visitor, path: str, query: Query) -> Any:
    """None while the ledger is away, or is of a version that does not know the question."""
    try:
        return await optional(fetch(request, visitor, "notifications", path, query))
    except ServiceRefusal:
        return None


def invited_addresses(sent: Sent) -> list[str]:
    """The addresses of what identity has answered: a list of invitations, or one."""
    return [invitation["email"] for invitation in sent.content.get("items", [sent.content]) if "email" in invitation]


def _sentence(row: Mapping[str, Any]) -> str:
    reply = row["smtp_reply"] or row["reason"] or ""
    if row["state"] == "failed":
        return _("Could not be delivered: %(answer)s. Please check the address, or send it again.") % {"answer": reply}
    if row["state"] == "suppressed":
        return _("The e-mail was not sent. Please send it again.")
    if row["state"] in _WAITING and reply:
        return _("Not delivered yet, we keep trying: %(answer)s") % {"answer": reply}
    return _("The e-mail is waiting to be sent.") if row["state"] in _WAITING else ""


def _of_invited(visitor: Visitor, reply: str) -> str:
    if may_clear(visitor):
        sentence = _(
            "Could not be delivered: %(answer)s. Unblock the address once its mailbox is there, then send it again."
        )
    else:
        sentence = _(
            "Could not be delivered: %(answer)s. Ask your vendor to unblock the address, "
            "or withdraw this and invite another."
        )
    return sentence % {"answer": reply.rstrip(".")}


def _of_user(visitor: Visitor, reply: str) -> str:
    if may_clear(visitor):
        sentence = _("E-mails to this address come back: %(answer)s. Unblock the address once its mailbox is there.")
    else:
        sentence = _(
            "E-mails to this address come back: %(answer)s. "
            "Ask your vendor to unblock the address once its mailbox is there."
        )
    return sentence % {"answer": reply.rstrip(".")}


def may_clear(visitor: Visitor) -> bool:
    """Whether the visitor may let e-mails go to a bouncing address again."""
    return visitor.user.role is Role.VENDOR_ADMIN

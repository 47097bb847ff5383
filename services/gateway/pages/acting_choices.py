"""What there is to choose from in the forms of actions: people, sites, agents, states, PINs."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from services.gateway import labels
from services.gateway.clients import Service, fill
from services.gateway.fields import Choices
from services.gateway.pages.action_row import ActionRow
from services.gateway.pages.backend import ServiceRefusal, fetch, optional
from services.gateway.pages.for_whom import may_create_for_others
from services.gateway.pages.pins import MOST_PINS, pin_choices
from services.gateway.pages.profile import sites_of
from services.gateway.session import Visitor
from services.gateway.texts import _
from shared.text import isolated

_MOST_PEOPLE = 200  # a page of the list; whoever is not among them is typed
_OPEN = ("in_progress", "waiting_customer", "waiting_parts")


async def choices_for(
    request: web.Request, visitor: Visitor, row: ActionRow, case: Mapping[str, Any]
) -> Mapping[str, Choices]:
    """By the names of fields; empty for what cannot be told now."""
    of_company = {"company_id": str(case["company_id"])} if visitor.is_of_vendor else {}
    match row.name:
        case "change_contact" | "change_secondary_contact":
            return {"colleague_id": await _people(request, visitor, of_company)}
        case "change_site":
            sites = tuple(await sites_of(request, visitor, of_company) or ())
            if not case.get("pin"):
                return {"site_id": sites}
            pins = await _list(request, visitor, "identity", "/pins", {**of_company, "limit": MOST_PINS})
            return {"site_id": sites, "pin": pin_choices(pins, dict(sites))}
        case "assign":
            return {"agent_id": await _agents(request, visitor, case)}
        case "set_status":
            return {"status": _statuses(case)}
        case _:
            return {}


async def _people(request: web.Request, visitor: Visitor, of_company: Mapping[str, str]) -> Choices:
    """The visitor first, then the users of the company, for those who may see the list of them."""
    name = isolated(visitor.user.name)
    own = () if visitor.is_of_vendor else ((str(visitor.user.id), _("Me: %(name)s") % {"name": name}),)
    if not may_create_for_others(visitor):
        return own
    query = {**of_company, "sort": "name", "limit": _MOST_PEOPLE, "total": "false"}
    found = await _list(request, visitor, "identity", "/submitters", query)
    others = [person for person in found if str(person["id"]) != str(visitor.user.id)]
    return (*own, *((str(one["id"]), f"{isolated(one['name'])} · {one['email']}") for one in others))


async def colleague_of(request: web.Request, visitor: Visitor, user_id: str) -> Mapping[str, Any] | None:
    """The profile of who was picked; None where that is nobody whom the visitor may pick."""
    if user_id == str(visitor.user.id) and not visitor.is_of_vendor:
        own: Mapping[str, Any] = await fetch(request, visitor, "identity", "/profile")
        return {**own, "id": user_id}
    try:
        found: Mapping[str, Any] = await fetch(request, visitor, "identity", fill("/submitters/{id}", id=user_id))
    except ServiceRefusal as refusal:
        if refusal.status >= 500:  # noqa: PLR2004
            raise
        return None
    return found


async def _agents(request: web.Request, visitor: Visitor, case: Mapping[str, Any]) -> Choices:
    has_it = (case["assignee"] or {}).get("user_id")
    found = await _list(request, visitor, "cases", "/agent/agents", {"sort": "name", "limit": _MOST_PEOPLE})
    others = [agent for agent in found if str(agent["user_id"]) != has_it]
    return tuple((str(agent["user_id"]), isolated(agent["name"])) for agent in others)


async def _list(
    request: web.Request, visitor: Visitor, service: Service, path: str, query: Mapping[str, object]
) -> list[dict[str, Any]]:
    """Empty where the visitor may not see it."""
    try:
        found = await optional(fetch(request, visitor, service, path, query))
    except ServiceRefusal:
        return []
    return list(found["items"]) if found else []


def _statuses(case: Mapping[str, Any]) -> Choices:
    """A new case is worked on before it can wait."""
    codes = _OPEN[:1] if case["status"] == "new" else [code for code in _OPEN if code != case["status"]]
    names = {**labels.statuses, "waiting_customer": _("Waiting for the customer")}
    return tuple((code, str(names[code])) for code in codes)

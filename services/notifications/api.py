"""HTTP of notifications: parse, call, answer."""

from collections.abc import Collection, Mapping
from contextlib import suppress

from aiohttp import web

from services.notifications import handlers, store
from services.notifications.domain.people import Person, addresses_seen, masked, without_addresses
from services.notifications.domain.preferences import Preferences
from services.notifications.kinds import CASE_MAILS
from services.notifications.texts import in_each_language
from shared.case_passes import CASE_HEADER, pass_key, read_pass
from shared.errors import NotFound
from shared.mongo import Document
from shared.schemas.base import Email
from shared.schemas.notifications import (
    BouncingAddressesAnswer,
    BouncingAnswer,
    BouncingQuery,
    CaseDeliveryAnswer,
    CaseDeliveryQuery,
    DeliveryAnswer,
    DeliveryQuery,
    PreferencesAnswer,
    PreferencesBody,
    UnsubscribeAnswer,
    UnsubscribeBody,
)
from shared.web.app import CLOCK, DATABASE
from shared.web.requests import actor_of, read_body, read_path, read_query
from shared.web.responses import answer

SECRET = web.AppKey("secret", str)

routes = web.RouteTableDef()


@routes.get("/notification-preferences")
async def get_preferences(request: web.Request) -> web.Response:
    """Which e-mails the actor gets."""
    actor = actor_of(request)
    person = Person.of_user(actor.user_id, active=True)
    return answer(_preferences(await store.find_preferences(request.app[DATABASE], person)))


@routes.put("/notification-preferences")
async def put_preferences(request: web.Request) -> web.Response:
    """Changes which e-mails the actor gets."""
    actor = actor_of(request)
    wanted = await read_body(request, PreferencesBody)
    return answer(_preferences(await handlers.change_preferences(request.app[DATABASE], actor, wanted)))


@routes.get("/deliveries")
async def list_deliveries(request: web.Request) -> web.Response:
    """One page of the ledger, newest first."""
    actor = actor_of(request)
    page, bouncing = await handlers.list_deliveries(request.app[DATABASE], actor, read_query(request, DeliveryQuery))
    return answer(page.answer(lambda document: _delivery(document, bouncing)))


@routes.get("/cases/{number}/deliveries")
async def list_case_deliveries(request: web.Request) -> web.Response:
    """One page of the ledger about a case, newest first, for whoever comes with a pass that cases has signed."""
    actor, number = actor_of(request), request.match_info["number"]
    query, token = read_query(request, CaseDeliveryQuery), request.headers.get(CASE_HEADER, "")
    granted = read_pass(token, actor, number, key=pass_key(request.app[SECRET]), now=request.app[CLOCK]())
    page = await handlers.list_case_deliveries(request.app[DATABASE], granted, query)
    seen = addresses_seen(actor, granted.emails)
    return answer(page.answer(lambda document: _case_delivery(document, seen)))


@routes.get("/bouncing-addresses")
async def list_bouncing(request: web.Request) -> web.Response:
    """Those of the given addresses that bounce."""
    asked = read_query(request, BouncingQuery)
    bouncing = await handlers.list_bouncing(request.app[DATABASE], actor_of(request), asked.email)
    items = [BouncingAnswer(email=email, smtp_reply=reply) for email, reply in sorted(bouncing.items())]
    return answer(BouncingAddressesAnswer(items=items))


@routes.delete("/vendor/bouncing-addresses/{email}")
async def clear_bouncing(request: web.Request) -> web.Response:
    """Lets e-mails go to the address again."""
    email = read_path(request, "email", Email)
    await handlers.clear_bouncing(request.app[DATABASE], actor_of(request), email)
    return web.Response(status=204)


@routes.get("/unsubscribe/{token}")
async def get_unsubscribe(request: web.Request) -> web.Response:
    """Shows what the link would stop. Changes nothing, because mail scanners follow links."""
    db = request.app[DATABASE]
    mail = await handlers.get_linked_mail(db, request.app[SECRET], request.match_info["token"])
    preferences = await store.find_preferences(db, mail.recipient)
    found = UnsubscribeAnswer.model_validate(
        {
            "kind": mail.kind,
            "stop_label": in_each_language(CASE_MAILS[mail.kind].stop_label),
            "email": masked(mail.email),
            "is_wanted": preferences.allow(mail.kind),
        }
    )
    return answer(found)


@routes.post("/unsubscribe/{token}")
async def post_unsubscribe(request: web.Request) -> web.Response:
    """Stops it. The token is the proof, so no sign-in is needed; every token gets the same answer (RFC 8058)."""
    db = request.app[DATABASE]
    # Mail providers send `List-Unsubscribe=One-Click` as a form of either type; a JSON body may say more.
    is_json = request.content_type == "application/json"
    wanted = await read_body(request, UnsubscribeBody) if is_json else UnsubscribeBody()
    with suppress(NotFound):
        mail = await handlers.get_linked_mail(db, request.app[SECRET], request.match_info["token"])
        await handlers.unsubscribe(db, mail, scope=wanted.scope)
    return answer({})


def _preferences(preferences: Preferences) -> PreferencesAnswer:
    answered = {
        "case_emails": preferences.case_emails,
        "kinds": {kind: preferences.kinds.get(kind, True) for kind in CASE_MAILS},
        "labels": {kind: in_each_language(row.label) for kind, row in CASE_MAILS.items()},
    }
    return PreferencesAnswer.model_validate(answered)


def _delivery(document: Document, bouncing: Mapping[str, str]) -> DeliveryAnswer:
    # Straight from the document: a row of another version, which a sender could not read, is shown too.
    return DeliveryAnswer.model_validate(
        {**document, "id": document["_id"], "bouncing_reply": bouncing.get(document["email"])}
    )


def _case_delivery(document: Document, seen: Collection[str] | None) -> CaseDeliveryAnswer:
    is_seen = seen is None or document["email"] in seen
    reply = document.get("smtp_reply")
    told = {
        "email": document["email"] if is_seen else None,
        "smtp_reply": reply if is_seen or reply is None else without_addresses(reply),
    }
    return CaseDeliveryAnswer.model_validate(document | told)

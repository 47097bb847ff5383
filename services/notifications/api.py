"""HTTP of notifications: parse, call, answer."""

from aiohttp import web

from services.notifications import handlers, store
from services.notifications.domain import Mail, Preferences
from shared.mongo import Document
from shared.schemas.base import ListAnswer, ListQuery
from shared.schemas.notifications import CASE_MAIL_KINDS, DeliveryAnswer, PreferencesAnswer, PreferencesBody
from shared.web import DATABASE, actor_of, answer, read_body, read_query

routes = web.RouteTableDef()


@routes.get("/notification-preferences")
async def get_preferences(request: web.Request) -> web.Response:
    """What the actor wants to be told."""
    actor = actor_of(request)
    return answer(_preferences(await store.find_preferences(request.app[DATABASE], actor.user_id)))


@routes.put("/notification-preferences")
async def put_preferences(request: web.Request) -> web.Response:
    """What the actor wants to be told from now on."""
    actor = actor_of(request)
    wanted = await read_body(request, PreferencesBody)
    return answer(_preferences(await handlers.change_preferences(request.app[DATABASE], actor, wanted)))


@routes.get("/deliveries")
async def list_deliveries(request: web.Request) -> web.Response:
    """One page of the ledger, newest first."""
    actor = actor_of(request)
    page = await handlers.list_deliveries(request.app[DATABASE], actor, read_query(request, ListQuery))
    deliveries = ListAnswer[DeliveryAnswer](
        items=[_delivery(document) for document in page.documents],
        next_cursor=page.next_cursor,
        total=page.total,
        total_is_lower_bound=page.total_is_lower_bound,
    )
    return answer(deliveries)


def _preferences(preferences: Preferences) -> PreferencesAnswer:
    return PreferencesAnswer(
        case_emails=preferences.case_emails,
        kinds={kind: preferences.kinds.get(kind, True) for kind in CASE_MAIL_KINDS},
    )


def _delivery(document: Document) -> DeliveryAnswer:
    mail: Mail = store.load({**document, "facts": {}})
    return DeliveryAnswer.model_validate(mail, from_attributes=True)

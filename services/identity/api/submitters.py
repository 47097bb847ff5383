"""HTTP of the people for whom a case may be created."""

from uuid import UUID

from aiohttp import web

from services.identity import answers, store
from services.identity.handlers import submitters
from shared.schemas.submitters import SubmitterQuery
from shared.web.app import DATABASE
from shared.web.requests import actor_of, read_path, read_query
from shared.web.responses import answer

routes = web.RouteTableDef()


@routes.get("/submitters")
async def list_submitters(request: web.Request) -> web.Response:
    """Those of a company."""
    actor, query = actor_of(request), read_query(request, SubmitterQuery)
    company, page = await submitters.list_submitters(request.app[DATABASE], actor, query)
    return answer(page.answer(lambda row: answers.submitter_answer(store.USERS.load(row), company)))


@routes.get("/submitters/{id}")
async def show_submitter(request: web.Request) -> web.Response:
    """One of them, wherever they are."""
    actor, user_id = actor_of(request), read_path(request, "id", UUID)
    company, user = await submitters.show_submitter(request.app[DATABASE], actor, user_id)
    return answer(answers.submitter_answer(user, company))

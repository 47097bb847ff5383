"""HTTP of a user's own profile, and of the users of a company."""

from aiohttp import web

from services.identity import answers, store
from services.identity.handlers import profiles
from shared.schemas.base import CompanyListQuery
from shared.schemas.identity import LanguageBody, ProfileBody, ProfileQuery
from shared.web.app import CLOCK, DATABASE
from shared.web.requests import actor_of, etag, expected_version, read_body, read_query
from shared.web.responses import answer

routes = web.RouteTableDef()


@routes.get("/profile")
async def show_profile(request: web.Request) -> web.Response:
    """What is known of the actor, and what is missing."""
    user = await store.get_own_user(request.app[DATABASE], actor_of(request))
    return answer(answers.profile_answer(user), headers={"ETag": etag(user.version)})


@routes.put("/profile")
async def put_profile(request: web.Request) -> web.Response:
    """Saves the whole profile; with `?dry_run=1` shows what would be saved."""
    db, actor = request.app[DATABASE], actor_of(request)
    query, body = read_query(request, ProfileQuery), await read_body(request, ProfileBody)
    if query.dry_run:
        reviewed = await profiles.review_profile(db, actor, body)
        return answer(answers.profile_answer(reviewed), headers={"ETag": etag(reviewed.version)})
    expected = expected_version(request, any_allowed=True)
    user = await profiles.save_profile(db, actor, body, expected_version=expected, now=request.app[CLOCK]())
    return answer(answers.profile_answer(user), headers={"ETag": etag(user.version)})


@routes.put("/profile/language")
async def put_language(request: web.Request) -> web.Response:
    """Saves the language alone."""
    db, actor, body = request.app[DATABASE], actor_of(request), await read_body(request, LanguageBody)
    user = await profiles.choose_language(db, actor, body.language, request.app[CLOCK]())
    return answer(answers.profile_answer(user), headers={"ETag": etag(user.version)})


@routes.get("/users")
async def list_users(request: web.Request) -> web.Response:
    """The users of a company."""
    actor = actor_of(request)
    page = await profiles.list_users(request.app[DATABASE], actor, read_query(request, CompanyListQuery))
    return answer(page.answer(lambda row: answers.user_answer(store.USERS.load(row))))

"""HTTP of invitations, for administrators."""

from uuid import UUID

from aiohttp import web

from services.identity import answers, store
from services.identity.api.app_keys import INVITATIONS, vendor_admin_of
from services.identity.handlers import invitations
from shared.schemas.base import CompanyListQuery, CompanyQuery
from shared.schemas.identity import InvitationsAnswer, NewInvitations
from shared.web.app import CLOCK, DATABASE
from shared.web.requests import actor_of, idempotency_key_of, read_body, read_path, read_query
from shared.web.responses import answer

routes = web.RouteTableDef()


@routes.get("/invitations")
async def list_invitations(request: web.Request) -> web.Response:
    """The pending invitations of a company."""
    actor, now = actor_of(request), request.app[CLOCK]()
    page = await invitations.list_invitations(request.app[DATABASE], actor, read_query(request, CompanyListQuery))
    return answer(page.answer(lambda row: answers.invitation_answer(store.INVITATIONS.load(row), now)))


@routes.post("/invitations")
async def invite(request: web.Request) -> web.Response:
    """201 with one invitation for each address."""
    return await _invite_into(request, read_query(request, CompanyQuery).company_id)


@routes.post("/vendor/companies/{id}/invitations")
async def invite_for_company(request: web.Request) -> web.Response:
    """201 with one invitation for each address, into any company."""
    vendor_admin_of(request)
    return await _invite_into(request, read_path(request, "id", UUID))


async def _invite_into(request: web.Request, named: UUID | None) -> web.Response:
    actor, now = actor_of(request), request.app[CLOCK]()
    company_id = invitations.company_to_invite_into(actor, named)  # before a long body is read
    body, key = await read_body(request, NewInvitations), await idempotency_key_of(request, actor)
    made = await invitations.invite(
        request.app[DATABASE],
        actor,
        company_id,
        body,
        quota=request.app[INVITATIONS],
        key=key if named is None else key.at(company_id),
        now=now,
    )
    return answer(InvitationsAnswer(items=[answers.invitation_answer(one, now) for one in made]), status=201)


@routes.post("/invitations/{id}/resend")
async def send_invitation_again(request: web.Request) -> web.Response:
    """A new code goes out."""
    actor, now = actor_of(request), request.app[CLOCK]()
    invitation_id = read_path(request, "id", UUID)
    key = (await idempotency_key_of(request, actor)).at(invitation_id)
    invitation = await invitations.send_invitation_again(
        request.app[DATABASE],
        actor,
        invitation_id,
        quota=request.app[INVITATIONS],
        key=key,
        now=now,
    )
    return answer(answers.invitation_answer(invitation, now))


@routes.delete("/invitations/{id}")
async def revoke_invitation(request: web.Request) -> web.Response:
    """204; no code of it works any more."""
    actor = actor_of(request)
    await invitations.revoke_invitation(
        request.app[DATABASE], actor, read_path(request, "id", UUID), request.app[CLOCK]()
    )
    return web.Response(status=204)

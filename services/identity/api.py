"""HTTP of identity: parse, call, answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid5

from aiohttp import web

from services.identity import answers, store
from services.identity.domain.access import refuse_unless_company_admin, refuse_unless_vendor_admin
from services.identity.handlers import acceptances, companies, invitations, profiles, sessions, sites
from services.identity.passwords import Passwords
from shared.actor import Actor
from shared.codes import subkey
from shared.idempotency import IdempotencyKey
from shared.logging import origin
from shared.quotas import Quota
from shared.schemas.base import ListQuery
from shared.schemas.identity import (
    Accepted,
    AcceptedInvitation,
    AcceptInvitation,
    InvitationsAnswer,
    NewCompany,
    NewInvitations,
    PinsBody,
    ProfileBody,
    ProfileQuery,
    ResendVerification,
    SessionToken,
    SignIn,
    SiteBody,
    SitePatch,
    SiteQuery,
    SwitchSession,
    VerifiedRegistration,
    VerifyRegistration,
)
from shared.signing import ACTOR_HEADER
from shared.web.app import CLOCK, DATABASE
from shared.web.headers import BROWSER_HEADER, DEVICE_HEADER, IDEMPOTENCY_HEADER, SESSION_HEADER
from shared.web.requests import actor_of, etag, expected_version, idempotency_key_of, read_body, read_path, read_query
from shared.web.responses import answer

SECRET = web.AppKey("secret", str)
PASSWORDS = web.AppKey("passwords", Passwords)
INVITATIONS = web.AppKey("invitations", Quota)

routes = web.RouteTableDef()

_EVEN_S = 0.02
_SIGN_INS = UUID("5a0c8d52-0f5e-4c38-9a6e-3f4b7d1f6c02")


def _at(key: IdempotencyKey, target: UUID) -> IdempotencyKey:
    """The same key means something else at another company or invitation."""
    return IdempotencyKey(uuid5(key.id, str(target)), key.digest)


def _vendor_admin_of(request: web.Request) -> Actor:
    """Who acts; Forbidden before what anybody else sends is read, which may be long."""
    actor = actor_of(request)
    refuse_unless_vendor_admin(actor)
    return actor


def _sign_in_idempotency_key(request: web.Request, email: str) -> UUID | None:
    key = request.headers.get(IDEMPOTENCY_HEADER)
    return None if key is None else uuid5(_SIGN_INS, f"{email}\n{key}")


def _browser_of(request: web.Request) -> str:
    return request.headers.get(BROWSER_HEADER, "")


@asynccontextmanager
async def _in_even_time() -> AsyncIterator[None]:
    """The answer leaves at a multiple of 20 ms: what little is left of a difference in work does not show."""
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        yield
    finally:
        await asyncio.sleep(_EVEN_S - (clock() - began) % _EVEN_S)


# Sessions


@routes.post("/session")
async def sign_in(request: web.Request) -> web.Response:
    """201 with the session's token, for the gateway's cookie; 401, or 429 after many failures."""
    body = await read_body(request, SignIn)
    signed_in, proofs = await sessions.sign_in(
        request.app[DATABASE],
        request.app[PASSWORDS],
        email=body.email,
        password=body.password.get_secret_value(),
        browser=sessions.Browser(
            origin.get().address, request.headers.get(DEVICE_HEADER, ""), request.headers.get(SESSION_HEADER, "")
        ),
        device_key=subkey(request.app[SECRET], "device"),
        key=_sign_in_idempotency_key(request, body.email),
        now=request.app[CLOCK](),
    )
    return answer(answers.new_session(signed_in, proofs, secret=request.app[SECRET]), status=201)


@routes.post("/session/resolve")
async def resolve_session(request: web.Request) -> web.Response:
    """Who has this token; for the gateway only."""
    body, now = await read_body(request, SessionToken), request.app[CLOCK]()
    signed_in = await sessions.resolve_session(request.app[DATABASE], body.token.get_secret_value(), now)
    return answer(
        answers.resolved_session(signed_in, secret=request.app[SECRET], address=origin.get().address, now=now)
    )


@routes.post("/session/switch")
async def switch_session(request: web.Request) -> web.Response:
    """The session goes on in another company of its login; where the one it leaves is suspended, too."""
    body, now = await read_body(request, SwitchSession), request.app[CLOCK]()
    token = request.headers.get(SESSION_HEADER, "")
    signed_in = await sessions.switch_session(request.app[DATABASE], token, body.user_id, now)
    return answer(answers.session_answer(signed_in, secret=request.app[SECRET]))


@routes.post("/session/end")
async def end_session(request: web.Request) -> web.Response:
    """204 whether or not there was a session; for the gateway only."""
    body = await read_body(request, SessionToken)
    await sessions.end_session(request.app[DATABASE], body.token.get_secret_value(), request.app[CLOCK]())
    return web.Response(status=204)


# Accepting invitations


@routes.get("/invitations/{code}")
async def open_invitation(request: web.Request) -> web.Response:
    """What the holder of a code may accept."""
    db = request.app[DATABASE]
    invitation, has_login = await acceptances.open_invitation(
        db, request.app[SECRET], request.match_info["code"], request.app[CLOCK]()
    )
    company = await store.get_company(db, invitation.company_id)
    return answer(answers.invitation_view(invitation, company, has_login=has_login))


@routes.post("/invitations/{code}/accept")
async def accept_invitation(request: web.Request) -> web.Response:
    """202 for a newcomer, who gets a 6-digit code; 200 for a signed-in login, whose session goes on there."""
    db, secret, code = request.app[DATABASE], request.app[SECRET], request.match_info["code"]
    actor = actor_of(request) if ACTOR_HEADER in request.headers else None
    body, now = await read_body(request, AcceptInvitation), request.app[CLOCK]()
    if actor is not None:
        token = request.headers.get(SESSION_HEADER)
        invitation = await acceptances.accept_as_user(db, actor, secret, code, token=token, now=now)
        return answer(AcceptedInvitation(state="active", email=invitation.email))
    invitation = await acceptances.accept_as_newcomer(
        db, request.app[PASSWORDS], secret, code, body, browser=_browser_of(request), now=now
    )
    return answer(AcceptedInvitation(state="verify", email=invitation.email), status=202)


@routes.post("/registrations/verify")
async def verify_address(request: web.Request) -> web.Response:
    """The account is active; this does not sign in."""
    body = await read_body(request, VerifyRegistration)
    async with _in_even_time():
        await acceptances.verify_address(
            request.app[DATABASE],
            request.app[SECRET],
            email=body.email,
            code=body.code,
            browser=_browser_of(request),
            now=request.app[CLOCK](),
        )
    return answer(VerifiedRegistration(state="active"))


@routes.post("/registrations/resend")
async def send_code_again(request: web.Request) -> web.Response:
    """202 always: nobody is told whether the address waits for a code."""
    body = await read_body(request, ResendVerification)
    async with _in_even_time():
        await acceptances.send_code_again(
            request.app[DATABASE], body.email, browser=_browser_of(request), now=request.app[CLOCK]()
        )
    return answer(Accepted(), status=202)


# Invitations


@routes.get("/invitations")
async def list_invitations(request: web.Request) -> web.Response:
    """The pending invitations of the own company."""
    actor, now = actor_of(request), request.app[CLOCK]()
    page = await invitations.list_invitations(request.app[DATABASE], actor, read_query(request, ListQuery))
    return answer(page.answer(lambda row: answers.invitation_answer(store.INVITATIONS.load(row), now)))


@routes.post("/invitations")
async def invite(request: web.Request) -> web.Response:
    """201 with one invitation for each address."""
    actor, now = actor_of(request), request.app[CLOCK]()
    refuse_unless_company_admin(actor)  # before a long body is read
    body, key = await read_body(request, NewInvitations), await idempotency_key_of(request, actor)
    made = await invitations.invite(
        request.app[DATABASE], actor, body, quota=request.app[INVITATIONS], key=key, now=now
    )
    return answer(InvitationsAnswer(items=[answers.invitation_answer(one, now) for one in made]), status=201)


@routes.post("/vendor/companies/{id}/invitations")
async def invite_for_company(request: web.Request) -> web.Response:
    """201 with one invitation for each address, into any company."""
    actor, now = _vendor_admin_of(request), request.app[CLOCK]()
    company_id = read_path(request, "id", UUID)
    body, key = await read_body(request, NewInvitations), await idempotency_key_of(request, actor)
    made = await invitations.invite_for_company(
        request.app[DATABASE],
        actor,
        company_id,
        body,
        quota=request.app[INVITATIONS],
        key=_at(key, company_id),
        now=now,
    )
    return answer(InvitationsAnswer(items=[answers.invitation_answer(one, now) for one in made]), status=201)


@routes.post("/invitations/{id}/resend")
async def send_invitation_again(request: web.Request) -> web.Response:
    """A new code goes out."""
    actor, now = actor_of(request), request.app[CLOCK]()
    invitation_id = read_path(request, "id", UUID)
    key = _at(await idempotency_key_of(request, actor), invitation_id)
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
    await invitations.revoke_invitation(request.app[DATABASE], actor, read_path(request, "id", UUID))
    return web.Response(status=204)


# Profile and users


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
        return answer(answers.profile_answer(await profiles.review_profile(db, actor, body)))
    expected = expected_version(request, any_allowed=True)
    user = await profiles.save_profile(db, actor, body, expected_version=expected, now=request.app[CLOCK]())
    return answer(answers.profile_answer(user), headers={"ETag": etag(user.version)})


@routes.get("/users")
async def list_users(request: web.Request) -> web.Response:
    """The users of the own company."""
    actor = actor_of(request)
    page = await profiles.list_users(request.app[DATABASE], actor, read_query(request, ListQuery))
    return answer(page.answer(lambda row: answers.user_answer(store.USERS.load(row))))


# Sites


@routes.get("/sites")
async def list_sites(request: web.Request) -> web.Response:
    """The sites of the own company, open ones unless `?closed=1`."""
    actor = actor_of(request)
    page = await store.find_sites(request.app[DATABASE], actor.company_id, read_query(request, SiteQuery))
    return answer(page.answer(lambda row: answers.site_answer(store.SITES.load(row))))


@routes.get("/vendor/companies/{id}/sites")
async def list_sites_of(request: web.Request) -> web.Response:
    """The sites of one of the vendor's customers, open ones unless `?closed=1`."""
    actor, company_id = actor_of(request), read_path(request, "id", UUID)
    page = await sites.list_sites_of(request.app[DATABASE], actor, company_id, read_query(request, SiteQuery))
    return answer(page.answer(lambda row: answers.site_answer(store.SITES.load(row))))


@routes.post("/sites")
async def add_site(request: web.Request) -> web.Response:
    """201 with the new site, or with what the same key made before."""
    actor = actor_of(request)
    body, key = await read_body(request, SiteBody), await idempotency_key_of(request, actor)
    site = await sites.add_site(request.app[DATABASE], actor, body, key=key, now=request.app[CLOCK]())
    return answer(answers.site_answer(site), status=201, headers={"ETag": etag(site.version)})


@routes.get("/sites/{id}")
async def show_site(request: web.Request) -> web.Response:
    """One site of the own company; for a vendor admin of any."""
    site = await store.get_site(request.app[DATABASE], actor_of(request), read_path(request, "id", UUID))
    return answer(answers.site_answer(site), headers={"ETag": etag(site.version)})


@routes.patch("/sites/{id}")
async def change_site(request: web.Request) -> web.Response:
    """Other values for some fields; closing and opening again too."""
    actor, site_id = actor_of(request), read_path(request, "id", UUID)
    body = await read_body(request, SitePatch)
    expected = expected_version(request)
    site = await sites.change_site(
        request.app[DATABASE], actor, site_id, body, expected_version=expected, now=request.app[CLOCK]()
    )
    return answer(answers.site_answer(site), headers={"ETag": etag(site.version)})


# Companies and their PINs


@routes.get("/pins")
async def list_own_pins(request: web.Request) -> web.Response:
    """The PINs of the own company, without the instructions for agents."""
    return answer(answers.pins_answer(await companies.list_own_pins(request.app[DATABASE], actor_of(request))))


@routes.get("/vendor/companies/{id}/pins")
async def list_pins(request: web.Request) -> web.Response:
    """The PINs of one of the vendor's customers."""
    actor = actor_of(request)
    company = await companies.show_company(request.app[DATABASE], actor, read_path(request, "id", UUID))
    return answer(answers.assigned_pins(company), headers={"ETag": etag(company.version)})


@routes.put("/vendor/companies/{id}/pins")
async def assign_pins(request: web.Request) -> web.Response:
    """The whole list of them."""
    actor, company_id = _vendor_admin_of(request), read_path(request, "id", UUID)
    body, expected = await read_body(request, PinsBody), expected_version(request)
    company = await companies.assign_pins(
        request.app[DATABASE], actor, company_id, body, expected_version=expected, now=request.app[CLOCK]()
    )
    return answer(answers.assigned_pins(company), headers={"ETag": etag(company.version)})


@routes.get("/vendor/companies")
async def list_companies(request: web.Request) -> web.Response:
    """The vendor's customers."""
    actor = actor_of(request)
    page = await companies.list_companies(request.app[DATABASE], actor, read_query(request, ListQuery))
    return answer(page.answer(lambda row: answers.company_answer(store.COMPANIES.load(row))))


@routes.post("/vendor/companies")
async def create_company(request: web.Request) -> web.Response:
    """201 with the new company, or with what the same key made before."""
    actor = _vendor_admin_of(request)
    body, key = await read_body(request, NewCompany), await idempotency_key_of(request, actor)
    company = await companies.create_company(request.app[DATABASE], actor, body, key=key, now=request.app[CLOCK]())
    return answer(answers.company_answer(company), status=201)


@routes.get("/vendor/companies/{id}")
async def show_company(request: web.Request) -> web.Response:
    """One of the vendor's customers."""
    actor = actor_of(request)
    company = await companies.show_company(request.app[DATABASE], actor, read_path(request, "id", UUID))
    return answer(answers.company_answer(company))

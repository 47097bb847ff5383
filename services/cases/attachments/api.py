"""HTTP of attachments: parse, call, answer."""

from dataclasses import asdict

from aiohttp import web

from services.cases.attachments import handlers, views
from services.cases.attachments.domain.pictures import may_be_seen
from services.cases.attachments.handlers import Policy
from services.cases.attachments.multipart import read_uploads
from services.cases.attachments.store.disk import Disk
from services.cases.attachments.store.owners import Owners
from services.cases.quotas import Quotas
from shared import errors
from shared.schemas.attachments import AttachmentLimits
from shared.web.app import CLOCK, DATABASE
from shared.web.requests import actor_of, idempotency_key_of
from shared.web.responses import answer

POLICY = web.AppKey("attachment_policy", Policy)
QUOTAS = web.AppKey("quotas", Quotas)
DISK = web.AppKey("disk", Disk)
OWNERS: web.AppKey[Owners] = web.AppKey("owners_of_files")

routes = web.RouteTableDef()


@routes.post("/attachments")
async def upload_files(request: web.Request) -> web.Response:
    """201 with the files that were kept and those that were refused; 422 when there was none to keep."""
    actor = actor_of(request)
    db, policy = request.app[DATABASE], request.app[POLICY]
    await request.app[DISK].refuse_if_low(db)
    # What has no room is not even read: else refusing it would cost as much as keeping it.
    asked = await idempotency_key_of(request, actor, body=b"")
    await handlers.refuse_if_full(db, actor, request.app[QUOTAS], key=asked, now=request.app[CLOCK]())
    uploads = await read_uploads(request, policy.limits)
    key = await idempotency_key_of(request, actor, body=uploads.fingerprint)
    kept, refused = await handlers.take_in(
        db,
        actor,
        uploads.files,
        policy,
        quotas=request.app[QUOTAS],
        key=key,
        now=request.app[CLOCK](),
    )
    return answer(views.upload(kept, refused), status=201)


@routes.get("/attachment-limits")
async def show_limits(request: web.Request) -> web.Response:
    """What one message may have attached."""
    actor_of(request)
    return answer(AttachmentLimits.model_validate(asdict(request.app[POLICY].limits)))


@routes.get("/attachments/{id}")
async def download_file(request: web.Request) -> web.Response:
    """The file, in a way that no browser shows it or runs what is in it. With `?as=picture` only what may be seen."""
    actor = actor_of(request)
    db, owners = request.app[DATABASE], request.app[OWNERS]
    file, content = await handlers.hand_out(db, owners, actor, request.match_info["id"])
    if request.query.get("as") == "picture" and not may_be_seen(file.content_type, content):
        raise errors.NotFound
    return web.Response(body=content, headers=views.download_headers(file))

"""HTTP of sites."""

from uuid import UUID

from aiohttp import web

from services.identity import answers, store
from services.identity.handlers import sites
from shared.schemas.base import CompanyQuery
from shared.schemas.identity import SiteBody, SitePatch, SiteQuery
from shared.web.app import CLOCK, DATABASE
from shared.web.requests import actor_of, etag, expected_version, idempotency_key_of, read_body, read_path, read_query
from shared.web.responses import answer

routes = web.RouteTableDef()


@routes.get("/sites")
async def list_sites(request: web.Request) -> web.Response:
    """The sites of a company, open ones unless `?closed=1`."""
    page = await sites.list_sites(request.app[DATABASE], actor_of(request), read_query(request, SiteQuery))
    return answer(page.answer(lambda row: answers.site_answer(store.SITES.load(row))))


@routes.post("/sites")
async def add_site(request: web.Request) -> web.Response:
    """201 with the new site, or with what the same key made before."""
    actor = actor_of(request)
    named = read_query(request, CompanyQuery).company_id
    body, key = await read_body(request, SiteBody), await idempotency_key_of(request, actor)
    site = await sites.add_site(request.app[DATABASE], actor, body, named=named, key=key, now=request.app[CLOCK]())
    return answer(answers.site_answer(site), status=201, headers={"ETag": etag(site.version)})


@routes.get("/sites/{id}")
async def show_site(request: web.Request) -> web.Response:
    """One site of the own company; for the vendor's side of any."""
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

"""HTTP of companies and their PINs."""

from uuid import UUID

from aiohttp import web

from services.identity import answers, store
from services.identity.api.app_keys import vendor_admin_of
from services.identity.handlers import companies
from shared.schemas.base import CompanyListQuery, CompanyQuery, Request
from shared.schemas.companies import CompanyPatch
from shared.schemas.identity import CompaniesQuery, NewCompany, PinAnswer, PinsBody
from shared.web.app import CLOCK, DATABASE
from shared.web.requests import actor_of, etag, expected_version, idempotency_key_of, read_body, read_path, read_query
from shared.web.responses import answer

routes = web.RouteTableDef()


@routes.get("/company")
async def show_settings(request: web.Request) -> web.Response:
    """The own company, or the one that the vendor's side names."""
    actor, named = actor_of(request), read_query(request, CompanyQuery).company_id
    company = await companies.show_settings(request.app[DATABASE], actor, named)
    return answer(answers.company_answer(company), headers={"ETag": etag(company.version)})


@routes.patch("/company")
async def change_settings(request: web.Request) -> web.Response:
    """Other values for some of its settings."""
    actor, named = actor_of(request), read_query(request, CompanyQuery).company_id
    body, expected = await read_body(request, CompanyPatch), expected_version(request)
    company = await companies.change_settings(
        request.app[DATABASE], actor, named, body, expected_version=expected, now=request.app[CLOCK]()
    )
    return answer(answers.company_answer(company), headers={"ETag": etag(company.version)})


@routes.get("/pins")
async def list_pins(request: web.Request) -> web.Response:
    """The PINs of a company, without the instructions for agents."""
    actor, query = actor_of(request), read_query(request, CompanyListQuery)
    page = await companies.list_pins(request.app[DATABASE], actor, query)
    return answer(page.answer(PinAnswer.model_validate))


@routes.get("/vendor/companies/{id}/pins")
async def show_assigned_pins(request: web.Request) -> web.Response:
    """The PINs of one of the vendor's customers."""
    actor, company_id = vendor_admin_of(request), read_path(request, "id", UUID)
    read_query(request, Request)  # the whole list at once, so there is nothing to ask for
    company = await companies.show_company(request.app[DATABASE], actor, company_id)
    return answer(answers.assigned_pins(company), headers={"ETag": etag(company.version)})


@routes.put("/vendor/companies/{id}/pins")
async def assign_pins(request: web.Request) -> web.Response:
    """The whole list of them."""
    actor, company_id = vendor_admin_of(request), read_path(request, "id", UUID)
    body, expected = await read_body(request, PinsBody), expected_version(request)
    company = await companies.assign_pins(
        request.app[DATABASE], actor, company_id, body, expected_version=expected, now=request.app[CLOCK]()
    )
    return answer(answers.assigned_pins(company), headers={"ETag": etag(company.version)})


@routes.get("/vendor/companies")
async def list_companies(request: web.Request) -> web.Response:
    """The vendor's customers."""
    actor = actor_of(request)
    page = await companies.list_companies(request.app[DATABASE], actor, read_query(request, CompaniesQuery))
    return answer(page.answer(lambda row: answers.company_answer(store.COMPANIES.load(row))))


@routes.post("/vendor/companies")
async def create_company(request: web.Request) -> web.Response:
    """201 with the new company, or with what the same key made before."""
    actor = vendor_admin_of(request)
    body, key = await read_body(request, NewCompany), await idempotency_key_of(request, actor)
    company = await companies.create_company(request.app[DATABASE], actor, body, key=key, now=request.app[CLOCK]())
    return answer(answers.company_answer(company), status=201)


@routes.get("/vendor/companies/{id}")
async def show_company(request: web.Request) -> web.Response:
    """One of the vendor's customers."""
    actor = actor_of(request)
    company = await companies.show_company(request.app[DATABASE], actor, read_path(request, "id", UUID))
    return answer(answers.company_answer(company))

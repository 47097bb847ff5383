"""HTTP of contracts: parse, call, answer."""

from aiohttp import web

from services.contracts import store, views
from services.contracts.domain.access import refuse_unless_vendor_admin
from services.contracts.handlers import agreements, coverage, devices, products
from shared.actor import Actor
from shared.schemas.base import Request
from shared.schemas.contracts import (
    CoverageQuery,
    DeviceQuery,
    NewAgreement,
    NewDevice,
    NewProduct,
    ProductQuery,
    Serial,
)
from shared.web.app import CLOCK, DATABASE
from shared.web.requests import actor_of, idempotency_key_of, read_body, read_path, read_query
from shared.web.responses import answer

routes = web.RouteTableDef()


@routes.post("/vendor/products")
async def add_product(request: web.Request) -> web.Response:
    """201 with the catalogue entry."""
    actor = _vendor_admin_of(request)
    body, key = await read_body(request, NewProduct), await idempotency_key_of(request, actor)
    now = request.app[CLOCK]()
    product = await products.add_product(request.app[DATABASE], actor, body, key=key, now=now)
    return answer(views.product_answer(product), status=201)


@routes.get("/products")
async def list_products(request: web.Request) -> web.Response:
    """One page of the catalogue, for every signed-in user."""
    actor_of(request)
    page = await store.products.find_products(request.app[DATABASE], read_query(request, ProductQuery))
    return answer(page.answer(lambda document: views.product_answer(store.products.PRODUCTS.load(document))))


@routes.post("/vendor/devices")
async def add_device(request: web.Request) -> web.Response:
    """201 with the device."""
    actor = _vendor_admin_of(request)
    body, key = await read_body(request, NewDevice), await idempotency_key_of(request, actor)
    now = request.app[CLOCK]()
    device = await devices.add_device(request.app[DATABASE], actor, body, key=key, now=now)
    return answer(views.device_answer(device), status=201)


@routes.get("/devices")
async def list_devices(request: web.Request) -> web.Response:
    """One page of the devices that the actor may see."""
    actor = actor_of(request)
    page = await store.devices.find_devices(request.app[DATABASE], actor, read_query(request, DeviceQuery))
    return answer(page.answer(lambda document: views.device_answer(store.devices.DEVICES.load(document))))


@routes.get("/devices/{serial}")
async def get_device(request: web.Request) -> web.Response:
    """The device, or 404."""
    actor = actor_of(request)
    serial = read_path(request, "serial", Serial)
    return answer(views.device_answer(await store.devices.get_device(request.app[DATABASE], actor, serial)))


@routes.post("/vendor/agreements")
async def add_agreement(request: web.Request) -> web.Response:
    """201 with the agreement; its devices are linked a moment later."""
    actor = _vendor_admin_of(request)
    body, key = await read_body(request, NewAgreement), await idempotency_key_of(request, actor)
    db, now = request.app[DATABASE], request.app[CLOCK]()
    agreement = await agreements.add_agreement(db, actor, body, key=key, now=now)
    to_link = await store.agreements.count_to_link(db, agreement.id)
    return answer(views.agreement_answer(agreement, to_link=to_link), status=201)


@routes.get("/coverage")
async def find_coverage(request: web.Request) -> web.Response:
    """The verdict for a serial, a SAID or a product number."""
    actor = actor_of(request)
    query = read_query(request, CoverageQuery)
    finding = await coverage.find_coverage(request.app[DATABASE], actor, query, now=request.app[CLOCK]())
    return answer(views.coverage_answer(finding))


@routes.get("/coverage/ending")
async def list_ending_cover(request: web.Request) -> web.Response:
    """The company's devices whose cover ends soon."""
    actor = actor_of(request)
    read_query(request, Request)
    found = await coverage.find_ending_cover(request.app[DATABASE], actor, now=request.app[CLOCK]())
    return answer(views.ending_cover_answer(found))


def _vendor_admin_of(request: web.Request) -> Actor:
    """The actor; Forbidden for anybody else before the body is read, which may be long."""
    actor = actor_of(request)
    refuse_unless_vendor_admin(actor)
    return actor

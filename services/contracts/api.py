"""HTTP of contracts: parse, call, answer."""

from typing import TypeVar

from aiohttp import web

from services.contracts import handlers, store
from services.contracts.domain import Agreement, Device, Finding, Product, refuse_unless_vendor_admin
from shared.actor import Actor
from shared.mongo import Database
from shared.paging import Page
from shared.schemas.base import Answer, ListAnswer
from shared.schemas.contracts import (
    AgreementAnswer,
    CoverageAnswer,
    CoverageQuery,
    CoveredDevice,
    CoveringAgreement,
    DeviceAnswer,
    DeviceQuery,
    NewAgreement,
    NewDevice,
    NewProduct,
    ProductAnswer,
    ProductQuery,
    Serial,
)
from shared.web.app import CLOCK, DATABASE
from shared.web.requests import actor_of, idempotency_key_of, read_body, read_path, read_query
from shared.web.responses import answer

_A = TypeVar("_A", bound=Answer)

routes = web.RouteTableDef()


@routes.post("/vendor/products")
async def add_product(request: web.Request) -> web.Response:
    """201 with the catalogue entry."""
    actor = _vendor_admin_of(request)
    body, key = await read_body(request, NewProduct), await idempotency_key_of(request, actor)
    now = request.app[CLOCK]()
    return answer(
        _product(await handlers.add_product(request.app[DATABASE], actor, body, key=key, now=now)),
        status=201,
    )


@routes.get("/products")
async def list_products(request: web.Request) -> web.Response:
    """One page of the catalogue, for everybody who is signed in."""
    actor_of(request)
    page = await store.find_products(request.app[DATABASE], read_query(request, ProductQuery))
    items = [_product(store.PRODUCTS.load(document)) for document in page.documents]
    return answer(_list(page, items))


@routes.post("/vendor/devices")
async def add_device(request: web.Request) -> web.Response:
    """201 with the device."""
    actor = _vendor_admin_of(request)
    body, key = await read_body(request, NewDevice), await idempotency_key_of(request, actor)
    now = request.app[CLOCK]()
    return answer(
        _device(await handlers.add_device(request.app[DATABASE], actor, body, key=key, now=now)),
        status=201,
    )


@routes.get("/devices")
async def list_devices(request: web.Request) -> web.Response:
    """One page of the devices that the actor may see."""
    actor = actor_of(request)
    page = await store.find_devices(request.app[DATABASE], actor, read_query(request, DeviceQuery))
    items = [_device(store.DEVICES.load(document)) for document in page.documents]
    return answer(_list(page, items))


@routes.get("/devices/{serial}")
async def get_device(request: web.Request) -> web.Response:
    """The device, or 404."""
    actor = actor_of(request)
    serial = read_path(request, "serial", Serial)
    return answer(_device(await store.get_device(request.app[DATABASE], actor, serial)))


@routes.post("/vendor/agreements")
async def add_agreement(request: web.Request) -> web.Response:
    """201 with the agreement; its devices are linked a moment later."""
    actor = _vendor_admin_of(request)
    body, key = await read_body(request, NewAgreement), await idempotency_key_of(request, actor)
    db, now = request.app[DATABASE], request.app[CLOCK]()
    agreement = await handlers.add_agreement(db, actor, body, key=key, now=now)
    return answer(await _agreement(db, agreement), status=201)


@routes.get("/coverage")
async def find_coverage(request: web.Request) -> web.Response:
    """The verdict for a serial, a SAID or a product number."""
    actor = actor_of(request)
    query = read_query(request, CoverageQuery)
    finding = await handlers.find_coverage(request.app[DATABASE], actor, query, now=request.app[CLOCK]())
    return answer(_coverage(finding))


def _vendor_admin_of(request: web.Request) -> Actor:
    """Who acts; Forbidden before what anybody else sends is read, which may be long."""
    actor = actor_of(request)
    refuse_unless_vendor_admin(actor)
    return actor


def _list(page: Page, items: list[_A]) -> ListAnswer[_A]:
    return ListAnswer(
        items=items, next_cursor=page.next_cursor, total=page.total, total_is_lower_bound=page.total_is_lower_bound
    )


def _product(product: Product) -> ProductAnswer:
    return ProductAnswer(
        id=product.id,
        product_number=product.product_number,
        name=product.name,
        line=product.line,
        has_serials=product.has_serials,
        version=product.version,
    )


def _device(device: Device) -> DeviceAnswer:
    return DeviceAnswer(
        id=device.id,
        serial=device.serial,
        product_number=device.product_number,
        product_name=device.product_name,
        company_id=device.company_id,
        site_id=device.site_id,
        version=device.version,
    )


async def _agreement(db: Database, agreement: Agreement) -> AgreementAnswer:
    return AgreementAnswer(
        id=agreement.id,
        kind=agreement.kind,
        said=agreement.said,
        company_id=agreement.company_id,
        level=agreement.level,
        start=agreement.start,
        end=agreement.end,
        to_link=await store.count_to_link(db, agreement.id),
        version=agreement.version,
    )


def _covered(device: Device) -> CoveredDevice:
    return CoveredDevice(
        serial=device.serial,
        product_number=device.product_number,
        product_name=device.product_name,
        site_id=device.site_id,
    )


def _covering(agreement: Agreement) -> CoveringAgreement:
    return CoveringAgreement(
        id=agreement.id,
        kind=agreement.kind,
        said=agreement.said,
        level=agreement.level,
        start=agreement.start,
        end=agreement.end,
    )


def _coverage(finding: Finding) -> CoverageAnswer:
    subject = finding.device or finding.product
    return CoverageAnswer(
        verdict=finding.coverage.verdict,
        level=finding.coverage.level,
        until=finding.coverage.until,
        device=_covered(finding.device) if finding.device else None,
        devices=[_covered(device) for device in finding.devices],
        agreements=[_covering(agreement) for agreement in finding.agreements],
        product_number=subject.product_number if subject else None,
        product_name=_name(subject),
        did_you_mean=list(finding.did_you_mean),
    )


def _name(subject: Device | Product | None) -> str | None:
    return subject.product_name if isinstance(subject, Device) else subject.name if subject else None

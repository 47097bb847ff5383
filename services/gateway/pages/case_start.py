"""What a new case is about: one of three ways to say it, and what a typed text may mean."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web
from yarl import URL

from services.gateway.forms import FormData
from services.gateway.pages.backend import ServiceRefusal, fetch, optional
from services.gateway.pages.for_whom import ForWhom
from services.gateway.session import Visitor
from shared import errors

Way = Literal["serial", "said", "product_number"]

_LONGEST_START = 200  # longer than any number may be: it is looked up and shown, and what is sent is what was typed
_WAYS: tuple[Way, ...] = ("serial", "said", "product_number")
_MOST_PRODUCTS = 10
_MOST_DEVICES = 10


@dataclass(frozen=True, slots=True)
class Start:
    """What a case is about."""

    way: Way
    value: str
    submitter_id: str = ""  # for whom, unless for oneself

    @property
    def url(self) -> str:
        """The form for it."""
        whom = {"submitter_id": self.submitter_id} if self.submitter_id else {}
        return str(URL("/cases/new").with_query({self.way: self.value, **whom}))


def start_of(typed: FormData) -> Start | None:
    """As an address or a form names it."""
    for way in _WAYS:
        if value := typed.get(way, "").strip():
            return Start(way, value[:_LONGEST_START], typed.get("submitter_id", "").strip()[:_LONGEST_START])
    return None


@dataclass(frozen=True, slots=True)
class Found:
    """What a typed text may mean."""

    certain: Start | None = None
    devices: tuple[tuple[Start, Mapping[str, Any]], ...] = ()  # with what covers each; empty where nobody could say
    more_devices: bool = False
    products: tuple[Mapping[str, Any], ...] = ()
    more_products: bool = False
    is_whole: bool = True  # else contracts did not answer everything

    @property
    def is_something(self) -> bool:
        """Whether there is anything to choose from."""
        return bool(self.devices or self.products)


async def look_up(request: web.Request, visitor: Visitor, wanted: str, whom: ForWhom) -> Found:
    """A known device, contract or product leads on at once; else what the text is easily taken for."""
    device, agreement, products = await asyncio.gather(
        search(request, visitor, "/coverage", serial=wanted, **whom.of_company),
        search(request, visitor, "/coverage", said=wanted, **whom.of_company),
        search(request, visitor, "/products", q=wanted, limit=str(_MOST_PRODUCTS), total="false"),
    )
    is_whole = None not in (device, agreement, products)
    device, agreement, products = device or {}, agreement or {}, products or {}
    if device.get("device"):
        return Found(Start("serial", device["device"]["serial"], whom.id))
    if agreement.get("agreements") or agreement.get("devices"):
        return Found(Start("said", wanted, whom.id))
    serials, more_devices = device.get("did_you_mean", ()), False
    items = tuple(products.get("items", ()))
    if len(items) == 1 and not serials and not products.get("next_cursor"):
        if not items[0]["has_serials"]:
            return Found(Start("product_number", items[0]["product_number"], whom.id))
        serials, more_devices = await _own_devices(request, visitor, items[0]["product_number"], whom)
    return Found(
        devices=await _with_coverage(request, visitor, serials, whom),
        more_devices=more_devices,
        products=items,
        more_products=bool(products.get("next_cursor")),
        is_whole=is_whole,
    )


async def _own_devices(
    request: web.Request, visitor: Visitor, product_number: str, whom: ForWhom
) -> tuple[list[str], bool]:
    """The serial numbers of the company's first devices of a product, and whether there are more."""
    query = {"product_number": product_number, "limit": str(_MOST_DEVICES), "total": "false", **whom.of_company}
    found = await search(request, visitor, "/devices", **query) or {}
    return [device["serial_label"] for device in found.get("items", ())], bool(found.get("next_cursor"))


async def _with_coverage(
    request: web.Request, visitor: Visitor, serials: Iterable[str], whom: ForWhom
) -> tuple[tuple[Start, Mapping[str, Any]], ...]:
    starts = [Start("serial", serial, whom.id) for serial in serials]
    covers = await asyncio.gather(
        *(search(request, visitor, "/coverage", serial=start.value, **whom.of_company) for start in starts)
    )
    return tuple((start, cover or {}) for start, cover in zip(starts, covers, strict=True))


async def search(request: web.Request, visitor: Visitor, path: str, **query: str) -> dict[str, Any] | None:
    """Nothing, when the text cannot be what is searched for; None while contracts is away."""
    try:
        return await optional(fetch(request, visitor, "contracts", path, query))
    except ServiceRefusal as refusal:
        if refusal.status != errors.Invalid.status:
            raise
        return {}

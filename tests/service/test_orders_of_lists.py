"""Lists of the services beside cases: each is read from an index in its order, page after page."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from services.contracts.store import devices, products
from services.identity.store import accounts
from services.notifications.store import mails
from shared.actor import Role
from shared.mongo import Database, Document
from shared.paging import Page
from shared.schemas.base import CompanyListQuery, ListQuery
from shared.schemas.contracts import DeviceQuery, ProductQuery
from shared.schemas.identity import CompaniesQuery, SiteQuery
from shared.schemas.notifications import CaseDeliveryQuery, DeliveryQuery
from shared.schemas.submitters import SubmitterQuery
from tests.builders import MONGO_DRIVER, an_actor
from tests.platform.bus_helpers import a_database

COMPANY, OTHER = uuid7(), uuid7()
VENDOR, ADMIN = an_actor(Role.VENDOR_ADMIN), an_actor(company_id=COMPANY)
PAGES, ROWS_OF_PAGE = 3, 10
# How a list is made: what makes its indexes, its collection, what finds its pages, and the names that it sorts by.
List = tuple[Callable[[Database], Awaitable[None]], str, Callable[..., Awaitable[Page]], ListQuery, Any]
LISTS: dict[str, List] = {
    "companies": (
        accounts.create_indexes,
        "companies",
        accounts.find_customers,
        CompaniesQuery(),
        accounts._COMPANY_SORTS,
    ),
    "sites": (accounts.create_indexes, "sites", accounts.find_sites, SiteQuery(), accounts._SITE_SORTS),
    "users": (accounts.create_indexes, "users", accounts.find_users, CompanyListQuery(), accounts._USER_SORTS),
    "submitters": (accounts.create_indexes, "users", accounts.find_submitters, SubmitterQuery(), accounts._USER_SORTS),
    "invitations": (
        accounts.create_indexes,
        "invitations",
        accounts.find_invitations,
        CompanyListQuery(),
        accounts._INVITATION_SORTS,
    ),
    "products": (products.create_indexes, "products", products.find_products, ProductQuery(), products._ORDERS),
    "devices": (devices.create_indexes, "devices", devices.find_devices, DeviceQuery(), devices._ORDERS),
    "deliveries": (mails.create_indexes, "mails", mails.find_deliveries, DeliveryQuery(), mails._DELIVERY_ORDERS),
    "deliveries of a kind": (
        mails.create_indexes,
        "mails",
        mails.find_deliveries,
        DeliveryQuery(kind="case_created"),
        mails._DELIVERY_ORDERS,
    ),
    "deliveries about a case": (
        mails.create_indexes,
        "mails",
        lambda db, company_id, query: mails.find_case_deliveries(db, company_id, "1000000009", query),
        CaseDeliveryQuery(),
        mails._DELIVERY_ORDERS,
    ),
}
FOR_WHOM: dict[str, tuple[Any, ...]] = {
    "devices": (ADMIN, VENDOR),
    "deliveries": (ADMIN, VENDOR),
    "deliveries of a kind": (ADMIN,),
    **dict.fromkeys(("sites", "users", "submitters", "invitations", "deliveries about a case"), (COMPANY,)),
}


def a_row(number: int) -> Document:
    """What lists filter and sort by, of every kind; every third is another company's."""
    text = f"Row {number:03}"
    texts = ("name", "city", "email", "login_email", "serial", "product_number", "product_name")
    return {
        "_id": uuid7(),
        "company_id": COMPANY if number % 3 else OTHER,
        **dict.fromkeys(texts, text),
        **dict.fromkeys(("created_at", "expires_at"), number),
        "role": "member",
        "profile": {"last_name": text},
        "login_id": uuid7(),
        "active": True,
        "closed": False,
        "state": "pending",
        "retired": False,
        "event_id": uuid7(),
        "case_number": "1000000009" if number % 10 else "1000000017",
    }


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_is_read_from_an_index_in_its_order(mongo_url: str, name: str) -> None:
    create_indexes, collection, find, query, sorts = LISTS[name]
    kind = {"kind": "case_created" if collection == "mails" else "customer"}
    async with a_database(mongo_url, MONGO_DRIVER) as db:
        await create_indexes(db)
        await db[collection].insert_many([{**a_row(number), **kind} for number in range(150)])
        await db._database.command("profile", 2)
        for whom in FOR_WHOM.get(name, (None,)):
            ask = partial(find, db) if whom is None else partial(find, db, whom)
            for sort in [f"{sign}{sort}" for sort in sorts for sign in ("", "-")]:
                cursor = None
                for _ in range(PAGES):
                    wanted = {"sort": sort, "cursor": cursor, "limit": ROWS_OF_PAGE, "total": False}
                    page = await ask(query.model_copy(update=wanted))
                    assert len(page.documents) == ROWS_OF_PAGE
                    cursor = page.next_cursor
        await db._database.command("profile", 0)
        looks = await db["system.profile"].find({"command.find": collection}).to_list(None)
    assert len(looks) == len(FOR_WHOM.get(name, (None,))) * len(sorts) * 2 * PAGES
    for look in looks:
        assert "hasSortStage" not in look, look["command"]
        # Some are passed over: other companies', and those of the page before with the same value.
        assert look["docsExamined"] <= 4 * ROWS_OF_PAGE, look["command"]

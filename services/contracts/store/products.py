"""Queries and indexes of the catalogue."""

import re
from collections.abc import Sequence

from pymongo.errors import DuplicateKeyError

from services.contracts.domain.products import Product, ProductExists, searchable
from shared.documents import Documents
from shared.idempotency import IdempotencyKey
from shared.mongo import Database, Document
from shared.paging import Order, Page, create_index_for, find_page
from shared.schemas.contracts import ProductQuery

PRODUCTS = Documents("products", Product)

_ORDERS = {
    "name": Order("name", alphabetical=True),
    "product_number": Order("product_number", alphabetical=True),
}


async def create_indexes(db: Database) -> None:
    """Uniqueness, and what lists sort by."""
    await db["products"].create_index("product_number", unique=True)
    for order in _ORDERS.values():
        await create_index_for(order, db["products"])


async def add_product(db: Database, product: Product, key: IdempotencyKey) -> Product:
    """ProductExists when the number is taken."""
    try:
        return await PRODUCTS.insert_once(db, product, key)
    except DuplicateKeyError as error:
        raise ProductExists from error


async def find_product(db: Database, product_number: str) -> Product | None:
    """A catalogue entry that is offered; the catalogue is everybody's."""
    return await PRODUCTS.find(db, {"product_number": product_number, "retired": False})


async def find_products_with(db: Database, product_numbers: Sequence[str]) -> list[Product]:
    """The catalogue entries that are offered under these numbers."""
    wanted = {"product_number": {"$in": list(product_numbers)}, "retired": False}
    return [PRODUCTS.load(document) async for document in db["products"].find(wanted, {"pending": 0})]


async def find_products(db: Database, query: ProductQuery) -> Page:
    """The catalogue entries in which every typed word occurs."""
    wanted: list[Document] = [{"retired": False}]
    wanted += [{"search_text": {"$regex": re.escape(word)}} for word in searchable(query.q).split()]
    if query.has_serials is not None:
        wanted.append({"has_serials": query.has_serials})
    return await find_page(
        db["products"],
        {"$and": wanted},
        query,
        order=Order.read(query.sort or "name", _ORDERS),
        hidden=("pending",),
    )

"""Loading the catalogue."""

from datetime import datetime

from services.contracts.domain.access import refuse_unless_vendor_admin
from services.contracts.domain.products import Product
from services.contracts.store import products
from shared.actor import Actor
from shared.idempotency import IdempotencyKey
from shared.mongo import Database
from shared.schemas.contracts import NewProduct


async def add_product(db: Database, actor: Actor, body: NewProduct, *, key: IdempotencyKey, now: datetime) -> Product:
    """A new catalogue entry; ProductExists when the number is taken."""
    refuse_unless_vendor_admin(actor)
    product = Product.new(
        key.id,
        product_number=body.product_number,
        name=body.name,
        line=body.line,
        has_serials=body.has_serials,
        now=now,
    )
    return await products.add_product(db, product, key)

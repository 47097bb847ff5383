"""Every query and index of the contracts database; every read says for whom."""

from services.contracts.store import agreements, copies, devices, linking, products
from shared.mongo import Database

EMITTING = tuple(documents.collection for documents in (products.PRODUCTS, devices.DEVICES, agreements.AGREEMENTS))


async def create_indexes(db: Database) -> None:
    """Every index of this database."""
    for noun in (products, devices, agreements, linking, copies):
        await noun.create_indexes(db)

"""Loading agreements."""

from collections.abc import Sequence
from datetime import datetime

from services.contracts.domain.access import refuse_unless_vendor_admin
from services.contracts.domain.agreements import Agreement
from services.contracts.store import agreements, copies, products
from shared.actor import Actor
from shared.errors import FieldError, Invalid
from shared.idempotency import IdempotencyKey
from shared.mongo import Database
from shared.schemas.contracts import NewAgreement


async def add_agreement(
    db: Database, actor: Actor, body: NewAgreement, *, key: IdempotencyKey, now: datetime
) -> Agreement:
    """A new agreement, linked to its devices in the background; SaidExists when the SAID is taken."""
    refuse_unless_vendor_admin(actor)
    if body.company_id is not None:
        await copies.require_customer(db, body.company_id)
    await _require_products_without_serials(db, body.product_numbers)
    agreement = Agreement.new(
        key.id,
        kind=body.kind,
        said=body.said,
        sar=body.sar,
        company_id=body.company_id,
        level=body.level,
        start=body.start,
        end=body.end,
        serials=body.serials,
        product_numbers=body.product_numbers,
        first_answer_hours=body.first_answer_hours,
        first_answer_always=body.first_answer_always,
        now=now,
    )
    return await agreements.add_agreement(db, agreement, key)


async def _require_products_without_serials(db: Database, product_numbers: Sequence[str]) -> None:
    """Invalid for a number that is not in the catalogue, and for a product whose devices have to be named instead."""
    known = {product.product_number: product for product in await products.find_products_with(db, product_numbers)}
    problems: list[FieldError] = []
    for place, number in enumerate(product_numbers):
        field = f"product_numbers.{place}"
        if number not in known:
            problems.append(FieldError(field, "unknown_product", "There is no product with this number."))
        elif known[number].has_serials:
            problems.append(FieldError(field, "has_serials", "This product has serial numbers: name its devices."))
    if problems:
        raise Invalid(errors=tuple(problems))

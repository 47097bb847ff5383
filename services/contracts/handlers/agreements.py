"""Loading agreements."""

from datetime import datetime

from services.contracts.domain.access import refuse_unless_vendor_admin
from services.contracts.domain.agreements import Agreement
from services.contracts.store import agreements, copies
from shared.actor import Actor
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
        now=now,
    )
    return await agreements.add_agreement(db, agreement, key)

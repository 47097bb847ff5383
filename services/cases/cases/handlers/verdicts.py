"""The verdicts that cases without one wait for."""

from datetime import datetime

from services.cases.cases import store
from services.cases.cases.domain.case import Case
from services.cases.cases.handlers.equipment import find_equipment_of
from shared.coverage import UNVERIFIED
from shared.errors import StaleVersion
from shared.mongo import Database

_TRIES = 5


async def give_verdict(db: Database, case: Case, *, now: datetime) -> None:
    """Writes what the copies say by now, if they say anything; fits whatever else happens to the case meanwhile."""
    for _ in range(_TRIES):
        if case.equipment.coverage != UNVERIFIED:
            return
        equipment = await find_equipment_of(db, case, now=now)
        if equipment.coverage == UNVERIFIED:
            return
        try:
            await store.CASES.save(db, case.with_coverage(equipment))
        except StaleVersion:
            case = await store.CASES.get(db, {"_id": case.id})
        else:
            return
    raise StaleVersion

"""What a user, and a company, may have of the cases service."""

from dataclasses import dataclass

from services.cases.attachments.store.uncited import Uncited
from shared.quotas import Quota


@dataclass(frozen=True, slots=True)
class Quotas:
    """How much a user and a company may have, by the settings."""

    cases: Quota
    entries: Quota  # whatever is done with a case that is there
    uploads: Quota  # in bytes
    uncited: Uncited

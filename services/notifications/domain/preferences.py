"""Which e-mails people want; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.notifications.kinds import CASE_MAILS
from shared.schemas.notifications import MailKind


@dataclass(frozen=True, slots=True)
class Preferences:
    """Which e-mails a person wants; opted in unless they chose otherwise."""

    case_emails: bool = True
    kinds: Mapping[str, bool] = field(default_factory=dict)

    def allow(self, kind: MailKind) -> bool:
        """The main switch governs case mails; each kind has its own below it."""
        if kind not in CASE_MAILS:
            return True
        return self.case_emails and self.kinds.get(kind, True)

    @property
    def refused(self) -> tuple[MailKind, ...]:
        """The kinds that are switched off."""
        return tuple(kind for kind in CASE_MAILS if not self.allow(kind))

    def joined(self, other: "Preferences") -> "Preferences":
        """What both allow."""
        kinds = {**self.kinds, **{kind: on and self.kinds.get(kind, True) for kind, on in other.kinds.items()}}
        return Preferences(self.case_emails and other.case_emails, kinds)

"""What identity writes into the audit log although it makes no event."""

from enum import StrEnum


class Audited(StrEnum):
    """`<service>.<noun>.<past>`, without the version that events have: nobody but the log reads them."""

    SIGNED_IN = "identity.session.started"
    SIGN_IN_REFUSED = "identity.session.refused"  # counted by day
    SWITCHED = "identity.session.switched"
    SIGNED_OUT = "identity.session.ended"
    INVITATION_REVOKED = "identity.invitation.revoked"
    ADMIN_ADDED = "identity.administrator.added"
    CODE_REFUSED = "identity.verification.refused"  # counted by day

"""What the environment may say to identity."""

from datetime import timedelta

from pydantic import Field

from services.identity.domain.invitations import TooManyInvitations
from shared.quotas import Bound, Quota
from shared.settings import ServiceSettings


class IdentitySettings(ServiceSettings):
    """The service."""

    port: int = Field(8081, alias="IDENTITY_PORT", ge=1, le=65_535)
    # Fair shares; 0 takes a bound away. One request may bring 100.
    invitations_per_user: int = Field(200, alias="IDENTITY_INVITATIONS_PER_USER_AND_HOUR", ge=0)
    invitations_per_company: int = Field(1000, alias="IDENTITY_INVITATIONS_PER_COMPANY_AND_DAY", ge=0)

    @property
    def invitations(self) -> Quota:
        """How many invitations go out, those that are sent again among them."""
        return Quota(
            "invitations",
            TooManyInvitations,
            user=Bound(self.invitations_per_user, timedelta(hours=1)),
            company=Bound(self.invitations_per_company, timedelta(days=1)),
        )

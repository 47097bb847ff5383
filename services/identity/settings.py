"""What the environment may say to identity."""

from pydantic import Field

from shared.settings import ServiceSettings


class IdentitySettings(ServiceSettings):
    """The service."""

    port: int = Field(8081, alias="IDENTITY_PORT", ge=1, le=65_535)

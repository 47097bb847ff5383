"""What the environment may say to the cases service."""

from pydantic import Field

from shared.settings import ServiceSettings


class CasesSettings(ServiceSettings):
    """Settings of cases."""

    port: int = Field(8082, alias="CASES_PORT", ge=1, le=65535)

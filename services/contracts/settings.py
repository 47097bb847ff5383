"""What the environment may say to the contracts service."""

from pydantic import Field

from shared.settings import ServiceSettings


class ContractsSettings(ServiceSettings):
    """Settings of contracts."""

    port: int = Field(8083, alias="CONTRACTS_PORT", ge=1, le=65535)

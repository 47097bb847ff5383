"""Everything the environment may say to the gateway."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import BeforeValidator, Field

from services.gateway.brand import ACCENT, PORTICO, Brand
from services.gateway.logo import Logo, read_logo
from shared.schemas.base import Email, Phone, line
from shared.settings import Settings

Port = Annotated[int, Field(ge=0, le=65_535)]
Sentence = Annotated[str, line(most=300)]
Url = Annotated[str, Field(pattern=r"^https?://[^/\s]+$")]


def _networks(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _none_if_empty(value: object) -> object:
    return value or None


# All files of a message, and what the form adds to them.
UPLOAD_MAX_BYTES = 6 * 1024 * 1024 + 512 * 1024


class GatewaySettings(Settings):
    """Where the portal and the private port listen, where the services are, and which proxies are trusted."""

    public_host: str = Field("127.0.0.1", alias="PORTICO_HOST")
    public_port: Port = Field(8080, alias="PORTICO_PORT")
    ops_port: Port = Field(8085, alias="GATEWAY_OPS_PORT")
    identity_url: Url = Field("http://127.0.0.1:8081", alias="IDENTITY_URL")
    cases_url: Url = Field("http://127.0.0.1:8082", alias="CASES_URL")
    contracts_url: Url = Field("http://127.0.0.1:8083", alias="CONTRACTS_URL")
    notifications_url: Url = Field("http://127.0.0.1:8084", alias="NOTIFICATIONS_URL")
    brand_name: Annotated[str, line(least=1, most=60)] = Field(PORTICO, alias="PORTICO_BRAND_NAME")
    brand_accent: str = Field(ACCENT, alias="PORTICO_BRAND_ACCENT", pattern=r"^#[0-9a-fA-F]{6}$")
    brand_logo: Annotated[Logo | None, BeforeValidator(read_logo)] = Field(None, alias="PORTICO_BRAND_LOGO")
    brand_phone: Annotated[Phone | None, BeforeValidator(_none_if_empty)] = Field(None, alias="PORTICO_BRAND_PHONE")
    brand_email: Annotated[Email | None, BeforeValidator(_none_if_empty)] = Field(None, alias="PORTICO_BRAND_EMAIL")
    brand_hours: Sentence = Field("", alias="PORTICO_BRAND_HOURS")
    brand_hours_fr: Sentence = Field("", alias="PORTICO_BRAND_HOURS_FR")
    announcement: Sentence = Field("", alias="PORTICO_ANNOUNCEMENT")
    announcement_fr: Sentence = Field("", alias="PORTICO_ANNOUNCEMENT_FR")
    # To be raised together with CASES_ATTACHMENT_MAX_TOTAL_BYTES.
    upload_max_bytes: int = Field(UPLOAD_MAX_BYTES, alias="GATEWAY_UPLOAD_MAX_BYTES", ge=1)
    max_connections: int = Field(1000, alias="PORTICO_MAX_CONNECTIONS", ge=10)
    max_connections_per_address: int = Field(200, alias="PORTICO_MAX_CONNECTIONS_PER_ADDRESS", ge=10)
    # Fair shares of each replica; 0 takes a bound away. A page with what belongs to it is about five requests.
    user_requests_per_s: float = Field(30, alias="GATEWAY_USER_REQUESTS_PER_S", ge=0, allow_inf_nan=False)
    company_requests_per_s: float = Field(150, alias="GATEWAY_COMPANY_REQUESTS_PER_S", ge=0, allow_inf_nan=False)
    network_requests_per_s: float = Field(50, alias="GATEWAY_NETWORK_REQUESTS_PER_S", ge=0, allow_inf_nan=False)
    static_requests_per_s: float = Field(200, alias="GATEWAY_STATIC_REQUESTS_PER_S", ge=0, allow_inf_nan=False)
    user_requests_at_once: int = Field(2, alias="GATEWAY_USER_REQUESTS_AT_ONCE", ge=0)
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)] = Field(
        (), alias="PORTICO_TRUSTED_PROXIES"
    )

    @property
    def brand(self) -> Brand:
        """As pages show it."""
        return Brand(
            self.brand_name,
            self.brand_accent,
            logo=self.brand_logo,
            phone=self.brand_phone or "",
            email=self.brand_email or "",
            hours_by_language={"en": self.brand_hours, "fr": self.brand_hours_fr},
            announcement_by_language={"en": self.announcement, "fr": self.announcement_fr},
        )

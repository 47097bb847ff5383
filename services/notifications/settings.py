"""What the environment may say to the notifications service."""

import ssl
from contextlib import suppress
from email.headerregistry import Address
from email.utils import getaddresses
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from services.notifications.brand import ACCENT, PORTICO
from services.notifications.tls import Tls, context_of
from shared.schemas.base import line
from shared.settings import ServiceSettings


def _one_address(text: str) -> str:
    addresses = [address for _, address in getaddresses([text])]
    if len(addresses) != 1 or "@" not in addresses[0] or "\n" in text:
        raise ValueError("Use one address, such as Portico <portico@example.com>.")
    Address(addr_spec=addresses[0])
    return text


def _with_a_port(url: str) -> str:
    # Python's own words would hold what stands there: where the host was forgotten, that is the password.
    with suppress(ValueError):
        if urlsplit(url).port != 0:
            return url
    raise ValueError("Use a host and a port between 1 and 65535, and %2F, %3F, %23 for / ? # in a password.")


def _certificates(text: str) -> str:
    with suppress(ssl.SSLError):
        context_of(Tls.REQUIRED, authority=text)
        if text:
            return text
    raise ValueError("Use certificates in PEM form.")


def _has_tls_or_password(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "smtps" or parts.username is not None


class NotificationsSettings(ServiceSettings):
    """Settings of notifications."""

    port: int = Field(8084, alias="NOTIFICATIONS_PORT", ge=1, le=65535)
    smtp_url: Annotated[str, AfterValidator(_with_a_port)] = Field(
        "smtp://127.0.0.1:1025", alias="PORTICO_SMTP_URL", pattern=r"^smtps?://[^/?#\s]+/?$"
    )
    # Usually by PORTICO_SMTP_CA_FILE, as every setting can be read from a file.
    smtp_authority: Annotated[str, AfterValidator(_certificates)] = Field("", alias="PORTICO_SMTP_CA")
    smtp_tls: Tls = Field(None, alias="PORTICO_SMTP_TLS", validate_default=True)
    mail_from: Annotated[str, line(least=1, most=400), AfterValidator(_one_address)] = Field(
        "Portico <portico@localhost>", alias="PORTICO_MAIL_FROM"
    )
    brand_name: Annotated[str, line(least=1, most=60)] = Field(PORTICO, alias="PORTICO_BRAND_NAME")
    stranger_mails_per_user: int = Field(30, alias="NOTIFICATIONS_STRANGER_MAILS_PER_USER_AND_HOUR", ge=0)
    stranger_mails_per_company: int = Field(300, alias="NOTIFICATIONS_STRANGER_MAILS_PER_COMPANY_AND_HOUR", ge=0)
    brand_accent: str = Field(ACCENT, alias="PORTICO_BRAND_ACCENT", pattern="^#[0-9a-fA-F]{6}$")

    @field_validator("smtp_tls", mode="before")
    @classmethod
    def _usual_tls(cls, given: str | None, info: ValidationInfo) -> str:
        if given is not None:
            return given
        to_check = info.data.get("smtp_authority") or _has_tls_or_password(info.data.get("smtp_url", ""))
        return Tls.REQUIRED if to_check else Tls.OPPORTUNISTIC

    @field_validator("smtp_tls")
    @classmethod
    def _refuse_what_checks_less(cls, tls: Tls, info: ValidationInfo) -> Tls:
        url = urlsplit(info.data.get("smtp_url", ""))
        if tls is not Tls.REQUIRED and url.scheme == "smtps":
            raise ValueError("With smtps:// in PORTICO_SMTP_URL only required is possible.")
        if tls is not Tls.REQUIRED and info.data.get("smtp_authority"):
            raise ValueError("With PORTICO_SMTP_CA only required is possible: the others check no certificate.")
        if tls is Tls.OPPORTUNISTIC and url.username:
            raise ValueError(
                "A password goes to nobody who may be anybody: use required, or none in a trusted network."
            )
        return tls

"""What the environment may say to the notifications service."""

from email.headerregistry import Address
from email.utils import parseaddr
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from services.notifications.brand import ACCENT, PORTICO
from shared.settings import ServiceSettings


def _one_address(text: str) -> str:
    _, address = parseaddr(text)
    if not address or "@" not in address:
        raise ValueError("Use one address, such as Portico <portico@example.com>.")
    Address(addr_spec=address)
    return text


def _with_a_port(url: str) -> str:
    if urlsplit(url).port == 0:
        raise ValueError("Use a port between 1 and 65535.")
    return url


class NotificationsSettings(ServiceSettings):
    """Settings of notifications."""

    port: int = Field(8084, alias="NOTIFICATIONS_PORT", ge=1, le=65535)
    smtp_url: Annotated[str, AfterValidator(_with_a_port)] = Field(
        "smtp://127.0.0.1:1025", alias="PORTICO_SMTP_URL", pattern=r"^smtps?://[^/\s]+/?$"
    )
    mail_from: Annotated[str, AfterValidator(_one_address)] = Field(
        "Portico <portico@localhost>", alias="PORTICO_MAIL_FROM"
    )
    brand_name: str = Field(PORTICO, alias="PORTICO_BRAND_NAME", min_length=1, max_length=60)
    stranger_mails_per_user: int = Field(30, alias="NOTIFICATIONS_STRANGER_MAILS_PER_USER_AND_HOUR", ge=0)
    stranger_mails_per_company: int = Field(300, alias="NOTIFICATIONS_STRANGER_MAILS_PER_COMPANY_AND_HOUR", ge=0)
    brand_accent: str = Field(ACCENT, alias="PORTICO_BRAND_ACCENT", pattern="^#[0-9a-fA-F]{6}$")

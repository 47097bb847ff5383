"""What the environment may say to the cases service."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from services.cases.domain import Limits
from services.cases.domain.kinds import KINDS
from shared.settings import ServiceSettings

_KNOWN = "|".join(KINDS)


def _split(value: object) -> object:
    return [part.strip().lower() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Extension = Annotated[str, Field(pattern=f"^({_KNOWN})$")]


class CasesSettings(ServiceSettings):
    """Settings of cases."""

    port: int = Field(8082, alias="CASES_PORT", ge=1, le=65535)
    # A file and what is known of it are one document, which MongoDB lets have 16 MiB.
    max_file_bytes: int = Field(Limits().max_file_bytes, alias="CASES_ATTACHMENT_MAX_FILE_BYTES", ge=1, le=12 * 2**20)
    max_total_bytes: int = Field(
        Limits().max_total_bytes, alias="CASES_ATTACHMENT_MAX_TOTAL_BYTES", ge=1, le=120 * 2**20
    )
    max_files: int = Field(Limits().max_files, alias="CASES_ATTACHMENT_MAX_FILES", ge=1, le=10)
    extensions: Annotated[tuple[Extension, ...], BeforeValidator(_split)] = Field(
        Limits().extensions, alias="CASES_ATTACHMENT_EXTENSIONS", min_length=1
    )
    clamd_url: str | None = Field(None, alias="CASES_CLAMD_URL", pattern=r"^tcp://[^/\s:]+:\d{1,5}/?$")

    # Each takes a process of its own, and the temporary files of one sheet.
    exports_at_once: int = Field(2, alias="CASES_EXPORTS_AT_ONCE", ge=1, le=16)

    @model_validator(mode="after")
    def _one_file_fits(self) -> Self:
        if self.max_file_bytes > self.max_total_bytes:
            raise ValueError("CASES_ATTACHMENT_MAX_FILE_BYTES is more than CASES_ATTACHMENT_MAX_TOTAL_BYTES.")
        return self

    @property
    def limits(self) -> Limits:
        """What one message may have attached."""
        return Limits(
            max_files=self.max_files,
            max_file_bytes=self.max_file_bytes,
            max_total_bytes=self.max_total_bytes,
            extensions=self.extensions,
        )

    @property
    def clamd(self) -> tuple[str, int] | None:
        """Where the virus scanner listens; None for none."""
        parts = urlsplit(self.clamd_url or "")
        return (parts.hostname, parts.port) if parts.hostname and parts.port else None

"""What the environment may say to the cases service."""

from datetime import timedelta
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from services.cases.attachments.domain.file_types import KINDS
from services.cases.attachments.domain.files import Limits
from services.cases.attachments.domain.refusals import TooManyUploads
from services.cases.attachments.store.uncited import Uncited
from services.cases.cases.domain.refusals import TooManyCases, TooManyEntries
from services.cases.quotas import Quotas
from shared.quotas import Bound, Quota
from shared.settings import ServiceSettings

_KNOWN = "|".join(KINDS)


def _split(value: object) -> object:
    return [part.strip().lower() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


_MIB = 2**20
_GIB = 2**30
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

Extension = Annotated[str, Field(pattern=f"^({_KNOWN})$")]


class CasesSettings(ServiceSettings):
    """Settings of cases."""

    port: int = Field(8082, alias="CASES_PORT", ge=1, le=65535)
    # A file and what is known of it are one document, which MongoDB lets have 16 MiB.
    max_file_bytes: int = Field(Limits().max_file_bytes, alias="CASES_ATTACHMENT_MAX_FILE_BYTES", ge=1, le=12 * 2**20)
    # The gateway reads 32 MiB of a form with files, a process holds 64 MiB of files: what is more never gets through.
    max_total_bytes: int = Field(
        Limits().max_total_bytes, alias="CASES_ATTACHMENT_MAX_TOTAL_BYTES", ge=1, le=30 * 2**20
    )
    max_files: int = Field(Limits().max_files, alias="CASES_ATTACHMENT_MAX_FILES", ge=1, le=10)
    extensions: Annotated[tuple[Extension, ...], BeforeValidator(_split)] = Field(
        Limits().extensions, alias="CASES_ATTACHMENT_EXTENSIONS", min_length=1
    )
    clamd_url: str | None = Field(None, alias="CASES_CLAMD_URL", pattern=r"^tcp://[^/\s:]+:\d{1,5}/?$")

    # All of a process take turns, so that more of them are not faster.
    exports_at_once: int = Field(2, alias="CASES_EXPORTS_AT_ONCE", ge=1, le=16)
    # Fair shares; 0 takes a bound away. Companies' do not hold for the vendor's own, which everybody waits for.
    cases_per_user: int = Field(300, alias="CASES_PER_USER_AND_HOUR", ge=0)
    cases_per_company: int = Field(1500, alias="CASES_PER_COMPANY_AND_HOUR", ge=0)
    entries_per_user: int = Field(60, alias="CASES_ENTRIES_PER_USER_AND_MINUTE", ge=0)
    entries_per_company: int = Field(600, alias="CASES_ENTRIES_PER_COMPANY_AND_MINUTE", ge=0)
    upload_bytes_per_user: int = Field(256 * _MIB, alias="CASES_UPLOAD_BYTES_PER_USER_AND_DAY", ge=0)
    upload_bytes_per_company: int = Field(_GIB, alias="CASES_UPLOAD_BYTES_PER_COMPANY_AND_DAY", ge=0)
    uncited_files_per_user: int = Field(30, alias="CASES_UNCITED_FILES_PER_USER", ge=0)
    uncited_bytes_per_user: int = Field(60 * _MIB, alias="CASES_UNCITED_BYTES_PER_USER", ge=0)
    uncited_files_per_company: int = Field(300, alias="CASES_UNCITED_FILES_PER_COMPANY", ge=0)
    uncited_bytes_per_company: int = Field(600 * _MIB, alias="CASES_UNCITED_BYTES_PER_COMPANY", ge=0)
    # Of the database's disk; more than all users together can send within the two seconds for which it is remembered.
    free_disk_floor_bytes: int = Field(_GIB, alias="CASES_FREE_DISK_FLOOR_BYTES", ge=0)

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
    def quotas(self) -> Quotas:
        """What a user, and a company, may have."""
        return Quotas(
            cases=Quota("cases", TooManyCases, Bound(self.cases_per_user, _HOUR), Bound(self.cases_per_company, _HOUR)),
            entries=Quota(
                "entries",
                TooManyEntries,
                Bound(self.entries_per_user, _MINUTE),
                Bound(self.entries_per_company, _MINUTE),
            ),
            uploads=Quota(
                "uploads",
                TooManyUploads,
                Bound(self.upload_bytes_per_user, _DAY),
                Bound(self.upload_bytes_per_company, _DAY),
            ),
            uncited=Uncited(
                user_files=self.uncited_files_per_user,
                user_bytes=self.uncited_bytes_per_user,
                company_files=self.uncited_files_per_company,
                company_bytes=self.uncited_bytes_per_company,
            ),
        )

    @property
    def clamd(self) -> tuple[str, int] | None:
        """Where the virus scanner listens; None for none."""
        parts = urlsplit(self.clamd_url or "")
        return (parts.hostname, parts.port) if parts.hostname and parts.port else None

"""The HTTP bodies about the people for whom a case may be created."""

from uuid import UUID

from shared.schemas.base import Answer, CompanyListQuery, EmailText, Searched


class SubmitterAnswer(Answer):
    """An active user for whom a case may be created, with what the case's form is filled in with."""

    id: UUID
    name: str
    first_name: str
    last_name: str
    email: EmailText  # where e-mails about cases go
    phone: str
    site_id: UUID | None
    pin: str | None
    company_id: UUID
    company_name: str
    company_suspended: bool


class SubmitterQuery(CompanyListQuery):
    """`GET /submitters`; `q` are words of the name or of the e-mail address. The vendor's side names a company."""

    q: Searched = ""

"""Cases and their attachments, from both sides."""

from services.gateway.forwarding import Route, stream, upload
from shared.schemas import attachments, case_actions, cases
from shared.schemas.base import ListAnswer

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

# Each also with a minus before it.
CASE_SORTS = (
    "number",
    "title",
    "status",
    "severity",
    "product_name",
    "serial",
    "site_name",
    "company_name",
    "submitter",
    "created_at",
    "updated_at",
    "turn",
)

CASE_STATES = ("stale", "case_closed", "case_full")

CASES = (
    Route(
        method="GET",
        path="/cases",
        service="cases",
        summary="The cases I may see",
        query=cases.CaseQuery,
        answer=ListAnswer[cases.CaseRow],
        sorts=CASE_SORTS,
    ),
    Route(
        method="POST",
        path="/cases",
        service="cases",
        summary="Submit a case",
        status=201,
        body=cases.SubmitCase,
        answer=cases.CaseDetail,
        takes_key=True,
        refusals={422: ("pin_not_valid", "more_than_allowed")},
    ),
    Route(
        method="GET",
        path="/cases/facets",
        service="cases",
        summary="How many cases stand under each status, severity and site",
        query=cases.CaseQuery,
        answer=cases.FacetsAnswer,
    ),
    Route(
        method="GET",
        path="/cases.xlsx",
        service="cases",
        summary="The same rows as GET /cases, all pages, for Excel, in my language and time zone",
        query=cases.CaseQuery,
        media_type=_XLSX,
        handler=stream,
        sorts=CASE_SORTS,
        refusals={429: ("export_is_running",), 503: ("too_many_exports",)},
    ),
    Route(
        method="GET",
        path="/cases/{number}",
        service="cases",
        summary="One case with its history and what I may do",
        answer=cases.CaseDetail,
        refusals={422: ("check_number",)},
    ),
    Route(
        method="GET",
        path="/cases/{number}/history",
        service="cases",
        summary="A case's history in pages, or what came after a version; oldest first on each page",
        query=cases.HistoryQuery,
        answer=ListAnswer[cases.HistoryEntry],
        refusals={422: ("check_number",)},
    ),
    Route(
        method="POST",
        path="/cases/{number}/actions",
        service="cases",
        summary="Do something with a case",
        body=case_actions.CaseAction,
        answer=cases.CaseDetail,
        takes_key=True,
        refusals={409: (*CASE_STATES, "case_open", "case_cancelled", "reopen_too_late"), 422: ("check_number",)},
    ),
    Route(
        method="POST",
        path="/attachments",
        service="cases",
        summary="Upload files, to be cited in a case or comment within a day",
        status=201,
        files="file",
        answer=attachments.UploadAnswer,
        handler=upload,
        takes_key=True,
        refusals={422: ("more_than_allowed",), 507: ("storage_low",)},
    ),
    Route(
        method="GET",
        path="/attachments/{id}",
        service="cases",
        summary="Download a file",
        media_type="*/*",
        handler=stream,
        refusals={409: ("scanning", "infected")},
    ),
    Route(
        method="GET",
        path="/attachment-limits",
        service="cases",
        summary="How many files a message may have, how large, and of which kinds",
        answer=attachments.AttachmentLimits,
    ),
    Route(
        method="GET",
        path="/agent/cases",
        service="cases",
        summary="An agent's queues",
        query=cases.AgentCaseQuery,
        answer=ListAnswer[cases.CaseRow],
        sorts=CASE_SORTS,
    ),
    Route(
        method="POST",
        path="/agent/cases/{number}/actions",
        service="cases",
        summary="Do something with a case as the vendor",
        body=case_actions.AgentAction,
        answer=cases.CaseDetail,
        takes_key=True,
        refusals={409: (*CASE_STATES, "case_new", "already_taken"), 422: ("check_number",)},
    ),
)

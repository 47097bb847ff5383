"""Cases and their attachments, from both sides."""

from services.gateway.forwarding import Route, stream, upload
from shared.schemas import attachments, case_actions, cases
from shared.schemas.base import ListAnswer

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

CASES = (
    Route(
        method="GET",
        path="/cases",
        service="cases",
        summary="The cases I may see",
        query=cases.CaseQuery,
        answer=ListAnswer[cases.CaseRow],
    ),
    Route(
        method="POST",
        path="/cases",
        service="cases",
        summary="Submit a case",
        status=201,
        body=cases.SubmitCase,
        answer=cases.CaseDetail,
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
    ),
    Route(
        method="GET",
        path="/cases/{number}",
        service="cases",
        summary="One case with its history and what I may do",
        answer=cases.CaseDetail,
    ),
    Route(
        method="GET",
        path="/cases/{number}/history",
        service="cases",
        summary="A case's history in pages, or what came after a version; oldest first on each page",
        query=cases.HistoryQuery,
        answer=ListAnswer[cases.HistoryEntry],
    ),
    Route(
        method="POST",
        path="/cases/{number}/actions",
        service="cases",
        summary="Do something with a case",
        body=case_actions.CaseAction,
        answer=cases.CaseDetail,
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
    ),
    Route(
        method="GET",
        path="/attachments/{id}",
        service="cases",
        summary="Download a file",
        media_type="application/octet-stream",
        handler=stream,
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
    ),
    Route(
        method="POST",
        path="/agent/cases/{number}/actions",
        service="cases",
        summary="Do something with a case as the vendor",
        body=case_actions.AgentAction,
        answer=cases.CaseDetail,
    ),
)

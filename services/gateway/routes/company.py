"""What a company has: sites, users, invitations, PINs, e-mails."""

from services.gateway.forwarding import Route
from shared.schemas import identity, notifications
from shared.schemas.base import ListAnswer, ListQuery

COMPANY = (
    Route(
        method="GET",
        path="/sites",
        service="identity",
        summary="The company's sites",
        query=identity.SiteQuery,
        answer=ListAnswer[identity.SiteAnswer],
    ),
    Route(
        method="POST",
        path="/sites",
        service="identity",
        summary="Add a site",
        status=201,
        body=identity.SiteBody,
        answer=identity.SiteAnswer,
    ),
    Route(
        method="GET",
        path="/sites/{id}",
        service="identity",
        summary="One site",
        answer=identity.SiteAnswer,
    ),
    Route(
        method="PATCH",
        path="/sites/{id}",
        service="identity",
        summary="Change or close a site",
        body=identity.SitePatch,
        answer=identity.SiteAnswer,
        if_match=True,
    ),
    Route(
        method="GET",
        path="/users",
        service="identity",
        summary="The company's users",
        query=ListQuery,
        answer=ListAnswer[identity.UserAnswer],
    ),
    Route(
        method="GET",
        path="/invitations",
        service="identity",
        summary="The company's invitations",
        query=ListQuery,
        answer=ListAnswer[identity.InvitationAnswer],
    ),
    Route(
        method="POST",
        path="/invitations",
        service="identity",
        summary="Invite up to 100 addresses",
        status=201,
        body=identity.NewInvitations,
        answer=identity.InvitationsAnswer,
    ),
    Route(
        method="POST",
        path="/invitations/{id}/resend",
        service="identity",
        summary="Send an invitation again; the older code is worth nothing from then on",
        answer=identity.InvitationAnswer,
    ),
    Route(
        method="DELETE",
        path="/invitations/{id}",
        service="identity",
        summary="Revoke an invitation",
        status=204,
    ),
    Route(
        method="GET",
        path="/pins",
        service="identity",
        summary="The PINs that the vendor assigned to the company",
        answer=ListAnswer[identity.PinAnswer],
    ),
    Route(
        method="GET",
        path="/deliveries",
        service="notifications",
        summary="What became of each of the company's e-mails",
        query=notifications.DeliveryQuery,
        answer=ListAnswer[notifications.DeliveryAnswer],
    ),
    Route(
        method="GET",
        path="/bouncing-addresses",
        service="notifications",
        summary="Which of these addresses get no mail, because a mail server has refused them for good",
        query=notifications.BouncingQuery,
        answer=notifications.BouncingAddressesAnswer,
    ),
)

"""Sessions, invitations in the hand of the invited person, and what is one's own."""

from services.gateway import sessions_api
from services.gateway.forwarding import Access, Route
from shared.schemas import identity, notifications

INVITATION_GONE = ("invitation_used", "invitation_revoked", "invitation_replaced", "invitation_expired")

SESSIONS = (
    Route(
        method="POST",
        path="/session",
        service="identity",
        summary="Sign in",
        status=201,
        body=identity.SignIn,
        answer=identity.SessionAnswer,
        access=Access.ANYBODY,
        handler=sessions_api.sign_in,
        takes_key=True,
        refusals={
            401: ("wrong_credentials",),
            403: ("account_inactive", "address_not_proven"),
            409: ("session_already_made",),
            429: ("too_many_failures",),
        },
    ),
    Route(
        method="GET",
        path="/session",
        service="identity",
        summary="Who is signed in, and the token that changes need",
        answer=identity.SessionAnswer,
        handler=sessions_api.read_session,
    ),
    Route(
        method="DELETE",
        path="/session",
        service="identity",
        summary="Sign out",
        status=204,
        handler=sessions_api.sign_out,
    ),
    Route(
        method="POST",
        path="/session/switch",
        service="identity",
        summary="Go on in another company of the same login, as its user_id in the session's memberships",
        body=identity.SwitchSession,
        answer=identity.SessionAnswer,
        handler=sessions_api.move_session,
        refusals={403: ("account_inactive",), 404: ("not_found",)},
    ),
    Route(
        method="GET",
        path="/invitations/{code}",
        service="identity",
        summary="What an invitation's code invites to",
        answer=identity.InvitationView,
        access=Access.SESSION_OPTIONAL,
        handler=sessions_api.ask_as_newcomer,
        refusals={409: INVITATION_GONE},
    ),
    Route(
        method="POST",
        path="/invitations/{code}/accept",
        service="identity",
        summary="Accept an invitation; 200 for a signed-in login, whose session goes on in the new company, 202 and a "
        "code by e-mail for a new one",
        status=202,
        other_statuses=(200,),
        body=identity.AcceptInvitation,
        answer=identity.AcceptedInvitation,
        access=Access.SESSION_OPTIONAL,
        handler=sessions_api.accept_invitation,
        refusals={
            401: ("not_signed_in",),
            403: ("invited_other_address", "company_suspended"),
            409: (*INVITATION_GONE, "has_login", "already_member", "stale"),
        },
    ),
    Route(
        method="POST",
        path="/registrations/verify",
        service="identity",
        summary="Prove an e-mail address with the code that was sent there",
        body=identity.VerifyRegistration,
        answer=identity.VerifiedRegistration,
        access=Access.ANYBODY,
        handler=sessions_api.ask_as_newcomer,
        refusals={409: ("already_member",), 422: ("wrong_code",)},
    ),
    Route(
        method="POST",
        path="/registrations/resend",
        service="identity",
        summary="Send another code",
        status=202,
        body=identity.ResendVerification,
        answer=identity.Accepted,
        access=Access.ANYBODY,
        handler=sessions_api.ask_as_newcomer,
    ),
)

OWN = (
    Route(
        method="GET",
        path="/profile",
        service="identity",
        summary="My profile, and what it lacks",
        answer=identity.ProfileAnswer,
        etag=True,
    ),
    Route(
        method="PUT",
        path="/profile",
        service="identity",
        summary="Save my profile; with dry_run=1 it is only checked",
        body=identity.ProfileBody,
        query=identity.ProfileQuery,
        answer=identity.ProfileAnswer,
        if_match="any",
        etag=True,
        refusals={422: ("unknown_site", "pin_not_valid")},
    ),
    Route(
        method="GET",
        path="/notification-preferences",
        service="notifications",
        summary="Which e-mails I get",
        answer=notifications.PreferencesAnswer,
    ),
    Route(
        method="PUT",
        path="/notification-preferences",
        service="notifications",
        summary="Opt in to or out of case e-mails",
        body=notifications.PreferencesBody,
        answer=notifications.PreferencesAnswer,
    ),
)

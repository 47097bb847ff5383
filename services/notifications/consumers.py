"""Which events notifications listens to, and what it does with each."""

from functools import partial

from services.notifications import handlers
from services.notifications.kinds import ACCOUNT_MAILS, CASE_MAILS
from shared.bus import Many, Subscriptions
from shared.events.identity import CompanyChanged, UserChanged

SUBSCRIPTIONS: Subscriptions = {
    UserChanged: handlers.copy_user,
    CompanyChanged: handlers.copy_company,
    **{row.event: handlers.queue_account_mail for row in ACCOUNT_MAILS.values()},
    **{row.event: Many(handlers.queue_case_mails) for row in CASE_MAILS.values()},
}


def subscriptions(put: handlers.Put) -> Subscriptions:
    """The same, where `put` writes the rows of mails."""
    return {
        **SUBSCRIPTIONS,
        **{row.event: partial(handlers.queue_account_mail, put=put) for row in ACCOUNT_MAILS.values()},
        **{row.event: Many(partial(handlers.queue_case_mails, put=put)) for row in CASE_MAILS.values()},
    }

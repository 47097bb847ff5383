"""Every row of the table of e-mails is whole, and is known wherever its kind is used."""

from typing import get_args

import pytest

from services.notifications.consumers import SUBSCRIPTIONS
from services.notifications.kinds import ACCOUNT_MAILS, CASE_MAILS, KIND_OF, KINDS, AccountMail, CaseMail
from services.notifications.mailer import TEMPLATES
from shared.events.registry import EVENTS
from shared.schemas.notifications import CASE_MAIL_KINDS, CaseMailKind, MailKind
from shared.topology import NOTIFICATIONS

# `MailKind` is a union of literals: mypy flattens it, `get_args` does not.
_NAMES = [name for part in get_args(MailKind) for name in get_args(part)]


def test_every_kind_of_the_api_has_a_row() -> None:
    assert list(KINDS) == _NAMES
    assert tuple(CASE_MAILS) == CASE_MAIL_KINDS == get_args(CaseMailKind)


def test_every_kind_has_a_template_and_every_template_a_kind() -> None:
    assert {path.stem for path in TEMPLATES.glob("*.jinja")} == set(KINDS)


def test_every_kind_has_an_event_of_its_own() -> None:
    assert len(KIND_OF) == len(KINDS)


@pytest.mark.parametrize("row", ACCOUNT_MAILS.values(), ids=list(ACCOUNT_MAILS))
def test_an_account_mail_finds_the_id_of_its_code_in_the_event(row: AccountMail) -> None:
    assert row.code_for in row.event.model_fields


@pytest.mark.parametrize("row", CASE_MAILS.values(), ids=list(CASE_MAILS))
def test_a_case_mail_finds_in_the_event_who_caused_it(row: CaseMail) -> None:
    assert row.caused_by in row.event.model_fields


def test_the_queue_carries_what_notifications_handles_and_nothing_else() -> None:
    assert {EVENTS[event] for event in NOTIFICATIONS.listens} == set(SUBSCRIPTIONS)

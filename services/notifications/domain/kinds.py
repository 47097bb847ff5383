"""What mails are about, and how urgent each is."""

from enum import IntEnum, StrEnum


class MailKind(StrEnum):
    """What a mail is about."""

    INVITATION = "invitation"
    VERIFICATION_CODE = "verification_code"
    CASE_CREATED = "case_created"
    CASE_CLOSED = "case_closed"


CASE_KINDS = (MailKind.CASE_CREATED, MailKind.CASE_CLOSED)


class Priority(IntEnum):
    """What goes out first when mails wait: what somebody sits and waits for, then what lets them in, then news."""

    CODE = 0
    ACCESS = 1
    CASE = 2


PRIORITIES = {MailKind.VERIFICATION_CODE: Priority.CODE, MailKind.INVITATION: Priority.ACCESS}

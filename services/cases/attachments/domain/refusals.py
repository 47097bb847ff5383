"""What refuses a file before anybody looks into it."""

from typing import ClassVar

from shared.errors import FieldError, Refusal, TooManyRequests


class _TooManyFiles(TooManyRequests):
    field_code: ClassVar[str]

    def __init__(self, *, retry_after_s: int) -> None:
        """At the field of the files, where a form shows it."""
        super().__init__(retry_after_s=retry_after_s, errors=(FieldError("file", self.field_code, self.title),))


class TooManyUploads(_TooManyFiles):
    """More bytes of a user or company than in a day may come."""

    reason = "uploads"
    field_code = "too_many_uploads"
    title = "More was uploaded than is allowed within a day. Please try again tomorrow."


class TooManyUncited(_TooManyFiles):
    """More files of a user or company than may wait for a message to be sent with."""

    reason = "uncited"
    field_code = "too_many_uncited"
    title = "You have added too many files without sending a message. Send them, or try again tomorrow."


class StorageLow(Refusal):
    """Room is kept for what matters more than files."""

    status = 507
    code = "storage_low"
    title = "Files cannot be stored at the moment: there is not enough space."
    retry_after_s: int = 300

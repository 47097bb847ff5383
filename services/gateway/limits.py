"""What may be attached, in words: before a file is chosen, and when one is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway import messages
from services.gateway.sizes import size
from services.gateway.texts import N_, _
from shared.errors import Params
from shared.i18n import number

# Without scripts the file is not in the form any more that comes back.
_NOT_NOW = N_("Files cannot be sent at the moment. Please wait a moment, then choose the file again.")
_OF_FILES: Mapping[str, str] = {
    "too_many_requests": N_("Too many requests came at once. Please wait a moment, then choose the file again."),
    "unavailable": _NOT_NOW,
}
# What a page that sends files by itself may have to say, beside what cases refuses a file with.
_OF_THE_BROWSER: Mapping[str, str] = {
    **_OF_FILES,
    "signed_out": N_("You are no longer signed in. Send the form: you can sign in then, and what you typed is kept."),
    "csrf": N_(
        "You have signed in again, or changed the company, since this page was opened. Send the form first: "
        "what you typed is kept."
    ),
    "csrf.address": N_(
        "Nothing can be sent from the address that you have opened. "
        "Please open the portal at the address in its e-mails."
    ),
    "unreachable": N_("The file could not be sent. Check the connection, then try again."),
    "later": N_("Files cannot be sent at the moment. Please try again shortly."),
}
_WITHOUT_LIMIT = ("empty", "too_many_uploads", "too_many_uncited", "storage_low")
# Their values come with the refusal.
_OF_ONE_FILE = ("content_mismatch", "content_mismatch.other_ending", "content_mismatch.other_kind")


def why_refused(problem: Mapping[str, Any]) -> str:
    """Why cases did not take a file."""
    for error in problem.get("errors", ()):
        return messages.of_field(error)
    own = _OF_FILES.get(str(problem.get("code", "")))
    return _(own) if own else messages.of_problem(problem)


def not_now() -> str:
    """Why a file was not accepted that nobody has looked at."""
    return _(_NOT_NOW)


def patterns() -> dict[str, str]:
    """How the module that sends files while the form is being written names one with its size, or what is wrong."""
    return {"kb": _("%(count)s kB"), "mb": _("%(count)s MB"), "about": _("%(file)s: %(reason)s")}


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one message's files, as cases tells them."""

    most_files: int
    most_file_bytes: int
    most_total_bytes: int
    kinds: tuple[str, ...]  # endings of names, without the dot

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Limits":
        """From `GET /attachment-limits`."""
        return cls(
            most_files=told["max_files"],
            most_file_bytes=told["max_file_bytes"],
            most_total_bytes=told["max_total_bytes"],
            kinds=tuple(told["extensions"]),
        )

    @property
    def accept(self) -> str:
        """For the browser's file chooser."""
        return ",".join(f".{kind}" for kind in self.kinds)

    @property
    def hint(self) -> str:
        """How much, in one sentence."""
        return _("Files: up to %(files)s, %(file_size)s each, %(total_size)s together") % self._figures()

    def sentences(self) -> dict[str, str]:
        """Every reason by its code, for the module that sends files while the form is being written."""
        params: dict[str, Params] = {
            "too_many": {"limit": self.most_files},
            "too_large": {"reason": "file", "limit_bytes": self.most_file_bytes},
            "too_large_together": {"limit_bytes": self.most_total_bytes},
            "file_type": {"allowed": self.kinds},
        }
        params |= {code: {} for code in _WITHOUT_LIMIT}
        of_cases = {code: messages.sentence(code, values) for code, values in params.items()}
        of_cases |= {code: _(messages.MESSAGES[code]) for code in _OF_ONE_FILE}
        return of_cases | {code: _(text) for code, text in _OF_THE_BROWSER.items()}

    def _figures(self) -> dict[str, str]:
        return {
            "files": number(self.most_files),
            "file_size": size(self.most_file_bytes),
            "total_size": size(self.most_total_bytes),
        }

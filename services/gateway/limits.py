"""What may be attached, in words: before a file is chosen, and when one is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.said import said
from services.gateway.sizes import size
from services.gateway.texts import N_, _
from shared.i18n import number

# Without scripts the file is not in the form any more that comes back.
_NOT_NOW = N_("Files cannot be sent at the moment. Please wait a moment, then choose the file again.")
_REASONS = {
    "too_many": N_("At most %(files)s files can be attached to a message."),
    "too_large": N_("The file is too large. A file may have at most %(file_size)s."),
    "too_large_together": N_("Together the files are too large. They may have at most %(total_size)s."),
    "empty": N_("The file is empty."),
    "file_type": N_("Files of this kind are not accepted. Accepted are: %(kinds)s."),
    "content_mismatch": N_("What is in the file does not fit the ending of its name."),
    "too_many_uploads": N_("More was uploaded than is allowed within a day. Please try again tomorrow."),
    "too_many_uncited": N_(
        "Too many files wait for a message that they belong to. Send a message with them, or try again tomorrow."
    ),
    "storage_low": N_("Files cannot be taken at the moment, because there is not enough room for them."),
    "too_many_requests": N_("Too many requests came at once. Please wait a moment, then choose the file again."),
    # What a page that sends files by itself may have to say.
    "signed_out": N_("You are no longer signed in. Send the form: you can sign in then, and what you typed is kept."),
    "csrf": N_(
        "You have signed in again, or changed the company, since this page was opened. Send the form first: "
        "what you typed is kept."
    ),
    "unreachable": N_("The file could not be sent. Check the connection, then try again."),
    "later": N_("Files cannot be sent at the moment. Please try again shortly."),
    "unavailable": _NOT_NOW,
}


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
        """All limits in one sentence."""
        sentence = _("Up to %(files)s files, each at most %(file_size)s, together at most %(total_size)s: %(kinds)s.")
        return sentence % self._figures()

    def sentence(self, code: str, message: str = "") -> str:
        """Why a file was refused, with the limit that it broke; `message` is what cases says of a code unknown here."""
        if code in _REASONS:
            return _(_REASONS[code]) % self._figures()
        return said(message) or _("This file is not accepted.")

    def sentences(self) -> dict[str, str]:
        """Every reason by its code, for the module that sends files while the form is being written."""
        return {code: self.sentence(code) for code in _REASONS}

    def _figures(self) -> dict[str, str]:
        return {
            "files": number(self.most_files),
            "file_size": size(self.most_file_bytes),
            "total_size": size(self.most_total_bytes),
            "kinds": ", ".join(self.kinds),
        }

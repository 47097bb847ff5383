"""What live.js says on a page that stays up to date, in the reader's language."""

from services.gateway.texts import _


def live_words(*, of_case: bool = False, of_list: bool = False, of_rows: bool = False) -> dict[str, str]:
    """Of a case that has changed, of a list with changed cases, or of both."""
    words = {"reload": _("Reload")}
    if of_case:
        words |= {
            "entry": _("1 new entry"),
            "entries": _("%(count)s new entries"),
            "show": _("Show"),
            "changed": _("The case has changed."),
            "gone": _("You do not see this case any more."),
        }
    if of_list:
        words |= {
            "case": _("1 case has changed."),
            "cases": _("%(count)s cases have changed."),
            "list": _("Something has changed."),
        }
    if of_rows:
        words["left"] = _("No longer in this part of the list")
    return words


def presence_words() -> dict[str, str]:
    """Of somebody else who is at the same case."""
    return {"here": _("%(name)s is on this case too."), "typing": _("%(name)s is writing.")}

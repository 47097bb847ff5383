"""What is said of a refusal on pages: one text for each code, with the values of the message, in the reader's language.

Services answer in English. A code that is not listed here, as of a newer service, is shown in the service's words.
"""

from collections.abc import Mapping
from typing import Any

from babel.lists import format_list

from services.gateway.sizes import size
from services.gateway.texts import N_, _
from shared.errors import Invalid, Params, Refusal
from shared.i18n import day, language, number

_FILL_IN = N_("Fill this in.")
_CHOOSE = N_("Choose one from the list.")
_WHOLE_NUMBER = N_("Enter a whole number.")
_YES_OR_NO = N_("Choose yes or no.")
_DATE = N_("Enter a date, such as 2026-11-22.")
_TOO_MANY_UPLOADS = N_("More was uploaded than is allowed within a day. Please try again tomorrow.")
_TOO_MANY_UNCITED = N_("You have added too many files without sending a message. Send them, or try again tomorrow.")
_NO_PART = N_("This is not accepted here.")

# By code, or by code and reason where one code has several texts. A value is named as in `params`.
MESSAGES: Mapping[str, str] = {
    # Fields: what a validator finds.
    "missing": _FILL_IN,
    "missing.product_has_serials": N_("This product has serial numbers: enter the serial number."),
    "missing.for_customer": N_("Choose the customer’s user for whom you create the case."),
    "missing.site_without_company": N_("A site belongs to a company: name it too."),
    "missing.service_contract": N_("A service contract needs its SAID."),
    "missing.no_file": N_("Choose at least one file."),
    "extra_forbidden": _NO_PART,
    "exactly_one": N_("Enter exactly one of these: %(fields)s."),
    "repeated": N_("Give this once."),
    "string_type": _FILL_IN,
    "string_unicode": N_("Leave out characters that cannot be read."),
    "string_pattern_mismatch": N_("This is not in the expected form."),
    "string_too_short": N_("Write at least %(limit)s characters."),
    "string_too_short.empty": _FILL_IN,
    "string_too_long": N_("Use at most %(limit)s characters."),
    "too_short": N_("Use at least %(limit)s entries."),
    "too_short.empty": _FILL_IN,
    "too_long": N_("Use at most %(limit)s entries."),
    "int_type": _CHOOSE,
    "int_parsing": _WHOLE_NUMBER,
    "int_parsing_size": N_("Enter a smaller number."),
    "int_from_float": _WHOLE_NUMBER,
    "greater_than_equal": N_("Enter %(limit)s or more."),
    "greater_than_equal.date": N_("Enter %(limit)s or a later day."),
    "less_than_equal": N_("Enter %(limit)s or less."),
    "less_than_equal.date": N_("Enter %(limit)s or an earlier day."),
    "less_than": N_("Enter less than %(limit)s."),
    "bool_type": _YES_OR_NO,
    "bool_parsing": _YES_OR_NO,
    "literal_error": _CHOOSE,
    "enum": _CHOOSE,
    "uuid_type": _CHOOSE,
    "uuid_parsing": _CHOOSE,
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "union_tag_invalid": N_("This cannot be done here."),
    "union_tag_not_found": N_("This cannot be done here."),
    "list_type": _NO_PART,
    "tuple_type": _NO_PART,
    "dict_type": _NO_PART,
    "model_type": _NO_PART,
    "model_attributes_type": _NO_PART,
    "too_many_errors": N_("There are too many mistakes to list."),
    # Fields: rules of our own.
    "combining_marks": N_("Leave out some accents: the letter at character %(place)s has too many of them."),
    "one_line": N_("Use one line only: a new one begins after character %(place)s."),
    "email": N_("Check this e-mail address: it should look like ana@example.com."),
    "email.no_at": N_("The @ is missing: an e-mail address looks like ana@example.com."),
    "email.several": N_("Enter one e-mail address only."),
    "email.no_dot": N_("The part after the @ needs a dot, as in ana@example.com."),
    "phone": N_("Enter the number with its country code, such as %(example)s."),
    "phone.no_such_number": N_("There is no such number. In that country a number looks like %(example)s."),
    "phone.incomplete": N_("The number is not complete. A whole one looks like %(example)s."),
    "phone.too_many_digits": N_("The number has too many digits. A right one looks like %(example)s."),
    "country": N_("Choose a country from the list."),
    "time_zone": N_("Choose a time zone from the list, such as Europe/Paris."),
    "language": N_("Choose one of the languages: %(languages)s."),
    "serial": N_("Enter the serial number as it is written on the device."),
    "date_time": N_("Enter a date and a time."),
    "callback_past": N_("Choose a time that is not over yet."),
    "callback_too_long": N_("Choose an end at most %(hours)s hours after the start."),
    "callback_too_far": N_("Choose one of the next %(days)s days."),
    "end_before_start": N_("The end is before the start."),
    "only_waiting": N_("This goes together with the view of what waits for you only."),
    "unique": N_("Name each file once."),
    "duplicate": N_("This address is listed twice."),
    "duplicate_pin": N_("This PIN is listed twice."),
    "idempotency_key": N_("This form cannot be sent. Please reload the page and try again."),
    "cursor": N_("The next part of this list is not available any more. Please go back to the first page."),
    "sort": N_("The list cannot be sorted by that."),
    "password_too_short": N_("Use at least %(limit)s characters."),
    "password_too_long": N_("This password is too long. Use a shorter one."),
    "password_too_weak": N_("This password is easy to guess. Add a few unrelated words."),
    "wrong_code": N_("This code is wrong or has expired. Check the newest e-mail, or ask for a new code."),
    "unknown_site": N_("Choose one of the company’s sites."),
    "unknown_product": N_("There is no product with this number."),
    "has_serials": N_("This product has serial numbers: name its devices."),
    "no_serials": N_("This product has no serial numbers."),
    "pin_not_valid": N_("This PIN is not valid for this case. Valid are: %(pins)s."),
    "pin_not_valid.none_valid": N_(
        "This PIN is not valid for this case, and neither is any other of your company: leave it out."
    ),
    "pin_not_valid.not_of_company": N_("Choose one of your company’s PINs."),
    "not_the_owner": N_("Only the owner or an administrator of the company can mark a case as confidential."),
    "out_of_scope": N_("For a colleague, choose one of the sites that are yours."),
    "more_than_allowed": N_("This is more at once than is allowed. Please send less."),
    # Files.
    "too_many_found": N_("Too many cases are found. Choose fewer days, one company, or other words."),
    "too_many_to_add": N_("There are too many cases in this time. Choose fewer days, or one company."),
    "too_many_days": N_("Choose at most %(limit)s days."),
    "too_many": N_("Too many files: the limit for one message is %(limit)s."),
    "too_large.file": N_("The file is too large. A file may have at most %(limit_bytes)s."),
    "too_large_together": N_("Together the files are too large. They may have at most %(limit_bytes)s."),
    "empty": N_("The file is empty."),
    "file_type": N_("Files of this kind are not accepted. Accepted are: %(allowed)s."),
    "content_mismatch": N_("This is not a .%(extension)s file, though its name says so."),
    "content_mismatch.other_ending": N_(
        "This is not a .%(extension)s file, but a .%(found)s file. Change the ending of its name, then attach it again."
    ),
    "content_mismatch.other_kind": N_(
        "This is not a .%(extension)s file, but a .%(found)s file, and these are not accepted. "
        "Save it as another kind, then attach it again."
    ),
    "not_yours": N_("This file is no longer there. Remove it, then attach it again."),
    "too_many_uploads": _TOO_MANY_UPLOADS,
    "too_many_uncited": _TOO_MANY_UNCITED,
    "storage_low": N_("Files cannot be stored at the moment: there is not enough space."),
    "scanning": N_("This file is still being checked for viruses. Please try again in a moment."),
    "infected": N_("A virus was found in this file, so it cannot be downloaded."),
    # Cases.
    "check_number": N_("Please check the case number: it seems to be mistyped. It has %(digits)s digits."),
    "case_closed": N_("The case is closed."),
    "case_cancelled": N_("A cancelled case cannot be reopened. Please create a follow-up."),
    "unchanged": N_("The case is like that already."),
    "case_open": N_("The case is open."),
    "case_new": N_("The case is new: set it to “In progress” first."),
    "case_full": N_("The case takes no further entries. Please create a follow-up."),
    "already_taken": N_("Another agent has taken this case."),
    "too_many_favourites": N_("You have %(limit)s favourites already. Please remove some of them first."),
    "follow_up_not_needed": N_("The case is open: add a comment instead of a follow-up."),
    "callback_exists": N_("A callback has been requested already: change or cancel it."),
    "no_callback": N_("No callback is waiting for this case."),
    "callback_confirmed": N_("The callback is confirmed already."),
    "escalation_exists": N_("An escalation of this case has been requested already."),
    "no_escalation": N_("No escalation is waiting for a decision."),
    "reopen_too_late": N_("The case was closed more than %(days)s days ago. Please create a follow-up."),
    "export_is_running": N_("An export of yours is still being made. Please wait until it has arrived."),
    "export_not_there": N_("This file is not there: it is still being made, or it is kept no longer."),
    "too_many_streams": N_("There are no live updates at this moment. Everything else works without them."),
    "too_many_exports": N_("Many exports are being made at this moment. Please try again shortly."),
    # Products and contracts.
    "product_exists": N_("There is a product with this number already."),
    "device_exists": N_("There is a device with this serial number already."),
    "said_exists": N_("There is an agreement with this SAID already."),
    # Accounts.
    "address_taken": N_("There is an account with this e-mail address already."),
    "already_member": N_("This person is a user of the company already."),
    "wrong_credentials": N_("The e-mail address or the password is wrong."),
    "account_inactive": N_("Your account is not active. Please ask your administrator."),
    "address_not_proven": N_(
        "Your e-mail address is not verified yet. Enter the code from the e-mail, or ask for a new one."
    ),
    "session_already_made": N_("This sign-in was sent before. Please sign in again."),
    "company_suspended": N_("Your company’s access is suspended. Please call your vendor."),
    "invitation_used": N_("This invitation was accepted already."),
    "invitation_revoked": N_("This invitation was withdrawn. Please ask your administrator."),
    "invitation_replaced": N_("A newer invitation was sent to you. Please use the link in the newest e-mail."),
    "invitation_expired": N_("This invitation has expired. Please ask your administrator for a new one."),
    "invited_other_address": N_("The invitation is for another address: sign out, then open its link again."),
    "has_login": N_("There is an account with this address: sign in to accept the invitation."),
    # Anything.
    "refused": N_("The request was refused."),
    "malformed": N_("The request could not be read."),
    "malformed.ended_early": N_("What you sent did not arrive whole. Please send it again."),
    "not_signed_in": N_("Please sign in."),
    "not_signed_in.token": N_("This token is not valid."),
    "forbidden": N_("You may not do this."),
    "forbidden.company_admins_only": N_("Only an administrator of the company may do this."),
    "forbidden.vendor_admins_only": N_("Only an administrator of the vendor may do this."),
    "forbidden.for_colleague": N_("Only case managers and administrators can create cases for colleagues."),
    "forbidden.read_only_token": N_("This token may only read."),
    "csrf": N_("This request did not come from a current page of the portal. Please reload the page and try again."),
    "csrf.address": N_(
        "Please open the portal at %(base_url)s. Nothing can be sent from the address that you have opened."
    ),
    "not_found": N_("This page does not exist, or you may not see it."),
    "method_not_allowed": N_("This cannot be done here."),
    "request_timeout": N_("That took too long. Please try again."),
    "conflict": N_("This is not possible in the current state."),
    "stale": N_("Somebody changed this in the meantime."),
    "not_yet_known": N_("This is not known."),
    "precondition_failed": N_("Somebody changed this in the meantime."),
    "precondition_required": N_("Somebody may have changed this. Please reload the page and try again."),
    "too_large": N_("The request is too large."),
    "too_large.body": N_("The texts of this form are too long: together they may have at most %(limit_bytes)s."),
    "too_large.files": N_("The form with its files is too large. Please go back and choose smaller files."),
    "too_large.fields": N_("A form may have at most %(limit)s fields."),
    "address_too_long": N_("The address of this page is too long. Please go back and enter a shorter text."),
    "header_too_long": N_(
        "Your browser sends more cookies to this address than can be read; most of them belong to other applications "
        "under the same name. Please delete the cookies of this address in the settings of your browser, then open the "
        "page again."
    ),
    "wrong_media_type": N_("The request could not be read."),
    "invalid": N_("Some fields are missing or wrong."),
    "invalid.action": N_("This cannot be done with a case."),
    "idempotency_key_reused": N_(
        "This form was sent before, with another content. Please reload the page and try again."
    ),
    "too_many_requests": N_("Too many tries. Please wait."),
    "too_many_requests.requests": N_("Too many requests came at once. Please wait a moment, then try again."),
    "too_many_requests.cases": N_("More cases were created than is allowed within an hour. Please try again later."),
    "too_many_requests.entries": N_("More was written than is allowed within a minute. Please wait a moment."),
    "too_many_requests.invitations": N_("More invitations were sent than is allowed. Please try again later."),
    "too_many_requests.resent_just_now": N_(
        "An invitation can be sent again once a minute. Please wait a minute, then try again."
    ),
    "too_many_requests.resent_too_often": N_(
        "An invitation can be sent again five times an hour. Please try again in an hour."
    ),
    "too_many_requests.uploads": _TOO_MANY_UPLOADS,
    "too_many_requests.uncited": _TOO_MANY_UNCITED,
    "too_many_requests.accepted_just_now": N_(
        "This invitation was accepted a moment ago. Please wait a minute, then try again."
    ),
    "too_many_requests.accepted_too_often": N_("Too many tries for this invitation. Please try again in an hour."),
    "too_many_failures": N_("Too many failed sign-ins. Please wait, then try again."),
    "too_busy": N_("Too much is being sent at this moment. Please try again shortly."),
    "unavailable": N_("A part of the portal is not reachable. Please try again in a moment."),
    "unavailable.sign_ins": N_("Too many people are signing in at this moment. Please try again shortly."),
    "unavailable.identity": N_("Sign-in and company data cannot be reached at the moment. Please try again shortly."),
    "unavailable.cases": N_("Cases cannot be reached at the moment. Please try again shortly."),
    "unavailable.contracts": N_("Products and contracts cannot be reached at the moment. Please try again shortly."),
    "unavailable.notifications": N_("E-mail notices cannot be reached at the moment. Please try again shortly."),
    "internal": N_("Something went wrong on our side. It has been logged."),
}


def sentence(code: str, params: Params, otherwise: str = "") -> str:
    """The text of a code, in the reader's language; `otherwise` where it is not known, or lacks a value."""
    text = MESSAGES.get(f"{code}.{params.get('reason')}") or MESSAGES.get(code)
    try:
        return _(text) % {name: _shown(name, value, params) for name, value in params.items()} if text else otherwise
    except (KeyError, ValueError):
        return otherwise  # a service of another release sends other values


def _shown(name: str, value: object, params: Params) -> str:
    if isinstance(value, list | tuple):
        return format_list([str(each) for each in value], style="unit", locale=language())
    if isinstance(value, int) and name.endswith("_bytes"):
        return size(value)
    if name == "limit" and params.get("reason") == "date":
        return day(str(value))
    return number(value) if isinstance(value, int) else str(value)


def of_field(error: Mapping[str, Any]) -> str:
    """What is wrong with a field, as `errors` of a problem says it."""
    words = str(error.get("message", "")) or _("This is not accepted.")
    return sentence(str(error.get("code", "")), error.get("params") or {}, words)


def of_problem(problem: Mapping[str, Any]) -> str:
    """Why a service refused, from its problem+json."""
    words = str(problem.get("detail") or problem.get("title") or "") or _("This could not be done.")
    return sentence(str(problem.get("code", "")), problem.get("params") or {}, words)


def of_refusal(refusal: Refusal) -> str:
    """Why a request was refused, with what is wrong with its fields."""
    whole = sentence(refusal.code, refusal.params, str(refusal))
    if refusal.code != Invalid.code:
        return whole
    fields = [sentence(error.code, error.params, error.message) for error in refusal.errors]
    return " ".join(dict.fromkeys([whole, *fields]))

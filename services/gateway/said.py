"""What the services say to people, marked here for the catalogue: they speak English only, pages translate.

A sentence that is not listed is shown as the service said it; a test finds those that should be.
"""

import re

from services.gateway.sizes import texts_too_long
from services.gateway.texts import N_, _

_TOO_LARGE = re.compile(r"At most (\d{1,18}) bytes are accepted here\.")

SAID = (
    # Of fields.
    N_("Leave out control characters."),
    N_("Leave out some accents: one letter has too many of them."),
    N_("Use one line only."),
    N_("Enter one e-mail address, such as ana@example.com."),
    N_("Enter the number with its country code, such as +33 4 72 00 00 00."),
    N_("Choose a country from the list (ISO 3166-1, two letters)."),
    N_("Choose a time zone from the list, such as Europe/Paris."),
    N_("Choose one of the languages: en, fr."),
    N_("Enter the serial number as it stands on the device."),
    N_("Give either site_id or equipment_address."),
    N_("Give exactly one of serial, said and product_number."),
    N_("Choose one of the company's sites."),
    N_("Choose one of your company's PINs."),
    N_("This field is required."),
    N_("This is not known."),
    N_("This address stands here twice."),
    N_("Use at least 10 characters."),
    N_("Use at most 1024 bytes."),
    N_("This password is easy to guess. Add a few words that have nothing in common."),
    # Of cases.
    N_("Please check the case number: it seems to be mistyped."),
    N_("A case number has 10 digits; please check them."),
    N_("The case is closed."),
    N_("The case is open."),
    N_("The case is new: it goes into progress first."),
    N_("The case was closed more than 14 days ago. Please create a follow-up."),
    N_("A cancelled case cannot be reopened. Please create a follow-up."),
    N_("The case is like that already."),
    N_("The case takes no further entries. Please create a follow-up."),
    N_("This product carries serial numbers: give the serial number."),
    N_("Only case managers and administrators create cases for colleagues."),
    N_("Name the customer's user for whom you create the case."),
    N_("Only the owner or an administrator of the company marks a case confidential."),
    N_("For a colleague, choose one of the sites that are yours."),
    N_("An export of yours is still being made. Please wait until it has arrived."),
    N_("Many exports are being made at this moment. Please try again shortly."),
    N_("More cases were created than is allowed within an hour. Please try again later."),
    N_("More was written than is allowed within a minute. Please wait a moment."),
    # Of accounts.
    N_("Only an administrator of the company may do this."),
    N_("Only a vendor admin may do this."),
    N_("This invitation was accepted already."),
    N_("This invitation was withdrawn. Please ask your administrator."),
    N_("A newer invitation was sent to you. Please use the link in the newest e-mail."),
    N_("This invitation has expired. Please ask your administrator for a new one."),
    N_("There is an account with this address: sign in to accept the invitation."),
    N_("More invitations were sent than is allowed. Please try again later."),
    N_("An invitation can be sent again once a minute. Please wait a minute, then try again."),
    N_("An invitation can be sent again five times an hour. Please try again in an hour."),
    N_("This invitation was accepted a moment ago. Please wait a minute, then try again."),
    N_("An invitation can be accepted again five times an hour. Please try again in an hour."),
    N_("The invitation is for another address: sign out, then open its link again."),
    N_("There is an account with this e-mail address already."),
    N_("This person is a user of the company already."),
    N_("The e-mail address or the password is wrong."),
    N_("Your account is not active. Please ask your administrator."),
    N_("This sign-in was answered already. Please sign in again."),
    N_("Too many failed sign-ins. Please wait, then try again."),
    N_("Too many people are signing in at this moment."),
    N_("This code is wrong or has expired. Check the newest e-mail, or ask for a new code."),
    N_("Your company's access is suspended. Please call your vendor."),
    # Of files.
    N_("More was uploaded than is allowed within a day. Please try again tomorrow."),
    N_("Too many files wait for a message that they belong to. Send a message with them, or try again tomorrow."),
    N_("Files cannot be taken at the moment, because there is not enough room for them."),
    # Of anything.
    N_("This is more at once than is allowed. Please send less."),
    N_("The request could not be read."),
    N_("Please sign in."),
    N_("You may not do this."),
    N_("This does not fit the current state."),
    N_("Somebody changed this in the meantime."),
    N_("The request is too large."),
    N_("This Idempotency-Key was used for another request."),
    N_("The list cannot be sorted by that."),
    N_("Use a cursor from the answer before."),
    N_("Some fields are missing or wrong."),
    N_("Something that the request names is not known."),
    N_("Too many tries. Please wait."),
    N_("Too many requests came at once. Please wait a moment, then try again."),
    N_("A part of Portico is not reachable. Please try again in a moment."),
    N_("Too much is being sent at this moment. Please try again shortly."),
    N_("Something went wrong on our side. It has been logged under this request id."),
    N_("This request did not come from a current page of the portal. Please reload the page and try again."),
    N_("Sign-in and company data cannot be reached at the moment. Please try again shortly."),
    N_("Support cases cannot be reached at the moment. Please try again shortly."),
    N_("Products and contracts cannot be reached at the moment. Please try again shortly."),
    N_("E-mail notices cannot be reached at the moment. Please try again shortly."),
)


def said(sentence: str) -> str:
    """What a service said, in the reader's language."""
    if too_large := _TOO_LARGE.fullmatch(sentence):
        return texts_too_long(int(too_large[1]))
    return _(sentence) if sentence else ""

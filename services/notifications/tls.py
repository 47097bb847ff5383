"""How the mail server is spoken to in secret, and what an operator reads when that fails."""

import ssl
from enum import StrEnum

from aiosmtplib import SMTPAuthenticationError, SMTPResponseException, SMTPTimeoutError

from services.notifications.domain.delivery import one_short_line

_NO_STARTTLS = "SMTP STARTTLS extension not supported by server."
_IN_HANDSHAKE = "while upgrading transport"
_NO_AUTH = "The SMTP AUTH extension is not supported"
_WITHOUT = "In a network that you trust, PORTICO_SMTP_TLS=none does without."
_NOT_TRUSTED = (18, 19, 20, 21)  # OpenSSL's codes for a certificate of an authority that is not known
_WRONG_HOST = (62, 64)


class Tls(StrEnum):
    """Whether a conversation that begins in the clear goes on in secret (STARTTLS)."""

    NONE = "none"
    OPPORTUNISTIC = "opportunistic"  # where it is offered; whose certificate it is, is not asked (RFC 7435)
    REQUIRED = "required"  # with a certificate that is valid for the host, or nothing is sent


def context_of(tls: Tls, *, authority: str) -> ssl.SSLContext:
    """What a handshake checks. Trusted are the certificates of `authority` (PEM) alone; without it, the system's."""
    # Between certificates people may write what they like, but Python takes ASCII only.
    trusted = authority.encode("ascii", "replace").decode()
    context = ssl.create_default_context(cadata=trusted or None)
    if tls is Tls.OPPORTUNISTIC:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def explained(error: Exception, *, from_the_start: bool) -> str:
    """Why no connection came about, and what may help, in one line; `from_the_start` of those by `smtps://`."""
    found = _tls_error(error)
    if isinstance(found, ssl.SSLCertVerificationError):
        return _joined(f"certificate verify failed: {found.verify_message}", _about_certificate(found.verify_code))
    if found is not None:
        advice = "Where the server begins without TLS, PORTICO_SMTP_URL begins with smtp://."
        return _joined(f"TLS failed: {found.reason or found}", advice if from_the_start else _WITHOUT)
    if isinstance(error, SMTPAuthenticationError):
        return _joined(
            f"{error.code} {error.message}",
            "The mail server does not take the user and the password in PORTICO_SMTP_URL.",
        )
    if isinstance(error, SMTPResponseException):
        return one_short_line(f"{error.code} {error.message}")
    advice = "" if from_the_start else _about_conversation(error)
    return _joined(f"{type(error).__name__}: {error}", advice)


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__
    return error


def _joined(reason: str, advice: str) -> str:
    return one_short_line(f"{reason.removesuffix('.')}. {advice}" if advice else reason)


def _about_certificate(code: int) -> str:
    if code in _NOT_TRUSTED:
        return "Let PORTICO_SMTP_CA_FILE name the certificate of the authority that the mail server has its own from."
    if code in _WRONG_HOST:
        return "Use a name that stands in the certificate in PORTICO_SMTP_URL."
    return "The mail server needs another certificate."


def _about_conversation(error: Exception) -> str:
    if str(error) == _NO_STARTTLS or str(error).endswith(_IN_HANDSHAKE):
        return _WITHOUT
    if str(error).startswith(_NO_AUTH):
        return "Leave the user and the password out of PORTICO_SMTP_URL, or use the server's port for senders (587)."
    if isinstance(error, SMTPTimeoutError):
        return "Where the port speaks TLS from the first byte (465), PORTICO_SMTP_URL begins with smtps://."
    return ""

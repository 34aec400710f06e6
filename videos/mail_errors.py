"""What a failed mail means, in words, without the mail and without the password."""

import smtplib
import socket
import ssl
from dataclasses import dataclass

from django.conf import settings

from lumaweb.logs import redact

MAX_ANSWER = 300


@dataclass(frozen=True)
class MailProblem:
    """What happened, with the server's own answer, and what to do."""

    message: str
    advice: str


def explain(error: Exception) -> MailProblem:
    """Explain an error of a mail server or of the way to it."""
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return _answered("The mail server does not accept the user or the password", error, "Check LUMAWEB_EMAIL_URL.")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, answer = next(iter(error.recipients.values()), (0, b""))
        message = f"The mail server refused the recipient: {_words(code, answer)}"
        return MailProblem(message, "Check the address, and whether the server may send to it.")
    if isinstance(error, smtplib.SMTPSenderRefused):
        advice = f"Set LUMAWEB_EMAIL_FROM to an address that the server sends for; it is {settings.DEFAULT_FROM_EMAIL}."
        return _answered("The mail server refused the sender", error, advice)
    if isinstance(error, smtplib.SMTPResponseException):
        return _answered("The mail server refused the mail", error, "Look up its answer in the server's documentation.")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        advice = "For a server without TLS use smtp+insecure://, for TLS from the start smtps://, in LUMAWEB_EMAIL_URL."
        return MailProblem(f"{server} does not offer what is configured: {error}", advice)
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return MailProblem(f"{server} closed the connection.", "Check the port: 587 for smtp://, 465 for smtps://.")
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "verify_message", "") or error.reason or "TLS failed"
        return MailProblem(
            f"No TLS connection to {server}: {reason}.", "Check host, port and the server's certificate."
        )
    if isinstance(error, socket.gaierror):
        return MailProblem(f"The host {settings.EMAIL_HOST} is not known.", "Check the host in LUMAWEB_EMAIL_URL.")
    if isinstance(error, TimeoutError):
        advice = "Check host and port, and whether a firewall blocks outgoing mail."
        return MailProblem(f"{server} does not answer within {settings.EMAIL_TIMEOUT} s.", advice)
    reason = getattr(error, "strerror", "") or type(error).__name__
    return MailProblem(f"{server} cannot be reached: {reason}.", "Check host and port in LUMAWEB_EMAIL_URL.")


def _answered(what: str, error: smtplib.SMTPResponseException, advice: str) -> MailProblem:
    return MailProblem(f"{what}: {_words(error.smtp_code, error.smtp_error)}", advice)


def _words(code: int, answer: bytes | str) -> str:
    """Return a server's answer in one line. A server may quote the mail, which holds a link, or the password."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
    text = redact(" ".join(text.split()))
    if settings.EMAIL_HOST_PASSWORD:
        text = text.replace(settings.EMAIL_HOST_PASSWORD, "[redacted]")
    return f"{code} {text}"[:MAX_ANSWER] if code else text[:MAX_ANSWER]

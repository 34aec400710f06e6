"""Check of the mail server."""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parseaddr
from typing import NamedTuple

from django.conf import settings
from django.core.mail.backends.smtp import EmailBackend
from django.db import DatabaseError

from videos.models import Member

from .findings import Finding, fail, ok, warn

MAIL_PAGE = "mail"
SET_URL = "Correct LUMAWEB_EMAIL_URL (smtp://user:password@host:587 or smtps://user:password@host:465), then restart."


class Problem(NamedTuple):
    """Why the server takes no mail: `reason` completes "The mail server … ", `fix` says what to do."""

    code: str
    reason: str
    fix: str


def mail() -> Iterator[Finding]:
    """Go through a whole delivery up to the text, for the sender and an admin's address, without sending a mail."""
    if not settings.CAN_MAIL:
        yield ok("Mail is not configured: admins see the links and send them.")
        return
    if not settings.SITE_URL:
        yield warn(
            "mail-no-site",
            "Links are not mailed",
            "Mail is configured, but not the address that members use: no links are mailed.",
            "Set LUMAWEB_SITE_URL to the address that members open in their browsers.",
            MAIL_PAGE,
        )
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    if problem := _problem():
        yield fail(
            problem.code,
            "Mail is not sent",
            f"The mail server {server} {problem.reason}. Invitations and password links do not arrive; admins still "
            "see the links and can send them.",
            problem.fix,
            MAIL_PAGE,
        )
    else:
        yield ok(f"The mail server {server} accepts the sign-in, the sender and a recipient; no mail was sent.")


def _problem() -> Problem | None:
    """Return why the server does not take a mail from us, or None."""
    backend = EmailBackend()
    try:
        backend.open()
        return _refusal(backend.connection) if backend.connection else None
    except (OSError, smtplib.SMTPException) as error:
        return explain(error)
    finally:
        backend.close()


def _refusal(server: smtplib.SMTP) -> Problem | None:
    """Name the sender and a recipient as for a real mail, then cancel. Raises what smtplib raises."""
    _, sender = parseaddr(settings.DEFAULT_FROM_EMAIL)
    status, _ = server.mail(sender)
    if status >= 400:
        return Problem(
            "mail-sender",
            f"refuses the sender {sender} ({status})",
            "Set LUMAWEB_EMAIL_FROM to an address that this account may send from, then restart.",
        )
    recipient = sender
    with suppress(DatabaseError):  # its own check reports it
        admins = Member.objects.filter(is_superuser=True, is_active=True).exclude(email="").order_by("pk")
        recipient = admins.values_list("email", flat=True).first() or sender
    status, _ = server.rcpt(recipient)
    server.rset()
    if status >= 400:
        return Problem(
            "mail-recipient",
            f"refuses the recipient {recipient} ({status})",
            "Correct the address in the profile, or sign in to the server with an account that may send to everyone "
            "(user and password in LUMAWEB_EMAIL_URL).",
        )
    return None


def explain(error: OSError | smtplib.SMTPException) -> Problem:
    """Return the problem behind an error of smtplib, without the server's words, which may quote the user."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        fix = "Correct the user and the password in LUMAWEB_EMAIL_URL, then restart."
        return Problem("mail-password", f"refuses the password ({error.smtp_code})", fix)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        reason = "does not offer what LUMAWEB_EMAIL_URL needs: STARTTLS (smtp://) or a sign-in"
        return Problem(
            "mail-unsupported", reason, f"{SET_URL} smtp+insecure:// does without TLS, on this machine only."
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        fix = "Use the name that the certificate is for, or renew the certificate of the server."
        return Problem("mail-certificate", f"has no valid certificate: {error.verify_message}", fix)
    if isinstance(error, ssl.SSLError):
        fix = f"smtps:// needs TLS from the first byte (port 465), smtp:// uses STARTTLS (port 587). {SET_URL}"
        return Problem("mail-tls", "does not speak TLS on this port", fix)
    if isinstance(error, socket.gaierror):
        return Problem("mail-host", "cannot be found: its name cannot be resolved", SET_URL)
    # smtplib wraps a timeout of a read.
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        fix = f"Check that a firewall lets this machine connect to it; many hosts block port 25. {SET_URL}"
        return Problem("mail-timeout", "does not answer in time", fix)
    if isinstance(error, ConnectionRefusedError):
        return Problem("mail-refused", "cannot be reached: nothing listens there", SET_URL)
    if isinstance(error, smtplib.SMTPResponseException):
        return Problem("mail-rejected", f"refuses the session ({error.smtp_code})", SET_URL)
    return Problem("mail-error", f"ends the session ({type(error).__name__})", SET_URL)

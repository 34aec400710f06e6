"""Check of the mail server."""

from collections.abc import Iterator
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import get_connection

from .findings import Finding, fail, ok, warn


def mail() -> Iterator[Finding]:
    """Sign in to the mail server without sending a mail."""
    if not settings.CAN_MAIL:
        yield ok("Mail is not configured: admins see the links and send them.")
        return
    if not settings.SITE_URL:
        yield warn(
            "Mail is configured, but not the address that members use: no links are mailed.",
            "Set LUMAWEB_SITE_URL to the address that members open in their browsers.",
        )
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    connection = get_connection()
    try:
        connection.open()
    except (OSError, SMTPException) as error:
        yield fail(
            f"The mail server {server} refuses the connection or the sign-in: {type(error).__name__}.",
            "Check LUMAWEB_EMAIL_URL: host, port, user and password.",
        )
        return
    finally:
        connection.close()
    yield ok(f"The mail server {server} accepts the sign-in; no mail was sent.")

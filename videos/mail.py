"""Emails from the templates in templates/mail/, whose first line is the subject."""

import logging
import re
import smtplib
from datetime import timedelta
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.core.mail import EmailMessage, get_connection, send_mail
from django.db.models import Exists, OuterRef, Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes, punycode
from django.utils.http import urlsafe_base64_encode

from .mail_errors import MailProblem, explain
from .models import AuditEntry, MailStatus, Member
from .password_links import password_link_tokens

logger = logging.getLogger(__name__)

MAILED = "A link to a new password was mailed."
# How long a member receives no second password link.
AGAIN_AFTER = timedelta(minutes=15)


def send(to: str, template: str, context: dict[str, Any]) -> bool:
    """Send an email; return False if mail is not configured or the server refused it."""
    if not settings.CAN_MAIL:
        return False
    subject, _, text = render_to_string(f"mail/{template}.txt", context).strip().partition("\n")
    try:
        sent = bool(send_mail(subject, text.strip() + "\n", None, [to]))
        MailStatus.note_sent()
        return sent
    except (OSError, smtplib.SMTPException) as error:
        problem = explain(error)
        MailStatus.note_failure(to, problem.message, problem.advice)
        # Do not log the message: a server may quote the email in it, which contains a secret link.
        logger.warning("mail could not be sent: %s", type(error).__name__)
        return False


def send_to_admins(template: str, context: dict[str, Any]) -> bool:
    """Send one email to every active admin with an address; return False if none was accepted."""
    admins = Member.objects.filter(is_superuser=True, is_active=True).exclude(email="").order_by("pk")
    link = {"site": settings.SITE_URL} if settings.CAN_MAIL_LINKS else {}
    sent = [send(admin.email, template, context | link | {"member": admin}) for admin in admins]
    return any(sent)


def send_test(to: str, by: Member) -> MailProblem | str:
    """Send a test mail; return the mail server's answer, or what went wrong."""
    subject, _, text = render_to_string("mail/test.txt", {"member": by}).strip().partition("\n")
    connection = get_connection()
    try:
        answer = _deliver(connection, EmailMessage(subject, text.strip() + "\n", None, [to], connection=connection))
    except (OSError, smtplib.SMTPException) as error:
        problem = explain(error)
        MailStatus.note_failure(to, problem.message, problem.advice)
        AuditEntry.objects.record(by, f"Sent a test mail to {to}: refused.")
        return problem
    MailStatus.note_sent()
    AuditEntry.objects.record(by, f"Sent a test mail to {to}: accepted.")
    return answer


def _deliver(connection: Any, message: EmailMessage) -> str:
    """Hand a mail over, and return what the server answers to it. Raises OSError and SMTPException."""
    connection.open()
    try:
        server: smtplib.SMTP | None = getattr(connection, "connection", None)
        if server is None:  # a backend that keeps mails, as the tests use
            message.send()
            return "accepted"
        server.ehlo_or_helo_if_needed()
        sender, recipient = _on_the_wire(parseaddr(message.from_email)[1]), _on_the_wire(message.to[0])
        code, answer = server.mail(sender)
        if code != 250:
            raise smtplib.SMTPSenderRefused(code, answer, sender)
        code, answer = server.rcpt(recipient)
        if code not in (250, 251):
            raise smtplib.SMTPRecipientsRefused({recipient: (code, answer)})
        code, answer = server.data(re.sub(rb"\r?\n", b"\r\n", message.message().as_bytes()))
        if code != 250:
            raise smtplib.SMTPDataError(code, answer)
        return f"{code} {' '.join(answer.decode('utf-8', 'replace').split())}"[:300]
    finally:
        connection.close()


def _on_the_wire(address: str) -> str:
    """Return an email address with an internationalized domain as SMTP commands write it."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{punycode(domain)}"


def send_link(to: str, template: str, path: str, context: dict[str, Any]) -> bool:
    """Send an email with a `link` to this path; return False also if LUMAWEB_SITE_URL is not known."""
    if not settings.CAN_MAIL_LINKS:
        return False
    return send(to, template, context | {"link": settings.SITE_URL + path})


def path_to_new_password(member: Member) -> str:
    """Return a secret path at which the member can set a new password, once, within a day."""
    uid = urlsafe_base64_encode(force_bytes(member.pk))
    return reverse("password_reset_confirm", args=[uid, password_link_tokens.make_token(member)])


def new_password(name: str) -> None:
    """Mail a password link to the members with this username or address, at most every 15 minutes."""
    if not settings.PASSWORD_SIGN_IN:
        return
    recent = AuditEntry.objects.filter(about=OuterRef("pk"), text=MAILED, at__gt=timezone.now() - AGAIN_AFTER)
    known = Member.objects.filter(Q(email__iexact=name) | Q(username__iexact=name), is_active=True)
    # Who has no password signs in another way, which an admin may have chosen: no mailbox opens a second one.
    known = known.exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)
    for member in known.exclude(Exists(recent)).exclude(email=""):
        if member.is_email_on_hold:
            continue
        if send_link(member.email, "forgotten", path_to_new_password(member), {"member": member}):
            AuditEntry.objects.record(None, MAILED, about=member)

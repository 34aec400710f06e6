"""Mail: the texts under templates/mail/, where mail is set up. Each begins with its subject."""

import logging
import smtplib
from datetime import timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Exists, OuterRef, Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from .models import AuditEntry, Member
from .password_links import password_link_tokens

logger = logging.getLogger(__name__)

MAILED = "A link to a new password was mailed."
AGAIN_AFTER = timedelta(minutes=15)


def send(to: str, what: str, context: dict) -> bool:
    """Send one of the texts; False where mail is not set up, or was not taken."""
    if not settings.CAN_MAIL:
        return False
    subject, _, text = render_to_string(f"mail/{what}.txt", context).strip().partition("\n")
    try:
        return bool(send_mail(subject, text.strip() + "\n", None, [to]))
    except (OSError, smtplib.SMTPException) as error:
        # Not its words: a server may repeat in them what it was sent, and that is a link that opens something.
        logger.warning("mail could not be sent: %s", type(error).__name__)
        return False


def send_link(to: str, what: str, path: str, context: dict) -> bool:
    """Send one of the texts with a `link` to this path; return False without an address that members use."""
    if not settings.CAN_MAIL_LINKS:
        return False
    return send(to, what, context | {"link": settings.SITE_URL + path})


def path_to_new_password(member: Member) -> str:
    """Where this member chooses another password, once, within a day; whoever has it can."""
    uid = urlsafe_base64_encode(force_bytes(member.pk))
    return reverse("password_reset_confirm", args=[uid, password_link_tokens.make_token(member)])


def new_password(name: str) -> None:
    """Mail the way to a new password to whoever has this name or address, if somebody does.

    To nobody a second time within a quarter of an hour, whoever asks for it.
    """
    lately = AuditEntry.objects.filter(about=OuterRef("pk"), text=MAILED, at__gt=timezone.now() - AGAIN_AFTER)
    known = Member.objects.filter(Q(email__iexact=name) | Q(username__iexact=name), is_active=True)
    for member in known.exclude(Exists(lately)).exclude(email=""):
        if member.email_waits:
            continue
        if send_link(member.email, "forgotten", path_to_new_password(member), {"member": member}):
            AuditEntry.objects.record(None, MAILED, about=member)

"""One-time links that sign a member in, or let them link an external identity, without a password."""

from datetime import timedelta
from enum import StrEnum

from django.core import signing
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from .models import Member

SALT = "videos.sign_in_links"


class Purpose(StrEnum):
    SIGN_IN = "in"
    LINK = "link"


GOOD_FOR = {Purpose.SIGN_IN: timedelta(minutes=15), Purpose.LINK: timedelta(days=1)}


def path_for(member: Member, purpose: Purpose) -> str:
    """Return a secret path for this member; it works until it expires, they sign in, or their password changes."""
    key = signing.dumps([purpose.value, member.pk, _digest(member)], salt=SALT)
    return reverse("sign-in-link", args=[key])


def opened_by(key: str) -> tuple[Member, Purpose] | None:
    """Return the member and the purpose of a link; None if it was used, has expired, or is not from Lumaweb."""
    try:
        value, pk, digest = signing.loads(key, salt=SALT)
        purpose = Purpose(value)
        signing.loads(key, salt=SALT, max_age=GOOD_FOR[purpose])
    except (signing.BadSignature, ValueError, TypeError):
        return None
    member = Member.objects.filter(pk=pk, is_active=True).first()
    if member is None or not constant_time_compare(digest, _digest(member)):
        return None
    return member, purpose


def use_up(member: Member) -> bool:
    """Invalidate the links of a member whom `opened_by` returned; return False if another request was faster."""
    unchanged = Member.objects.filter(
        pk=member.pk,
        is_active=True,
        password=member.password,
        session_version=member.session_version,
        last_login=member.last_login,
    )
    # One conditional UPDATE, so that of two requests with the same link only one succeeds.
    return bool(unchanged.update(last_login=timezone.now()))


def _digest(member: Member) -> str:
    # `last_login` makes the link work once; the others invalidate it on a new password or a sign-out everywhere.
    value = f"{member.pk} {member.password} {member.session_version} {member.last_login}"
    return salted_hmac(SALT, value, algorithm="sha256").hexdigest()[:32]

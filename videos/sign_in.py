"""Find or create the member of an external identity: linked, invited, or new from an allowed domain."""

import re
from functools import cache

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse

from lumaweb.sign_in import OpenIDConnect

from .models import AuditEntry, ExternalIdentity, Invitation, Member
from .oidc import Identity, Metadata, Provider, fetch_keys, fetch_metadata

MAX_USERNAME = 150
DEACTIVATED = "Your account is deactivated. Ask an admin to reactivate it."


class Refused(Exception):
    """This person may not sign in; the message says what to do."""


def configured() -> OpenIDConnect | None:
    """Return the OpenID provider of this installation; None if it has none."""
    oidc: OpenIDConnect | None = settings.OIDC
    return oidc


def required() -> OpenIDConnect:
    """Return the OpenID provider where the installation has one."""
    oidc = configured()
    assert oidc
    return oidc


def provider() -> Provider:
    """Return the client of the configured OpenID provider, one for the process."""
    oidc = required()
    return _provider(oidc.issuer, oidc.client_id, settings.OIDC_CLIENT_SECRET, redirect_uri())


@cache
def _provider(issuer: str, client_id: str, client_secret: str, redirect: str) -> Provider:
    return Provider(issuer, client_id, client_secret, redirect)


def inspect() -> tuple[Metadata, int]:
    """Read the discovery document and the keys now; return it with the number of keys. Raises SignInError."""
    metadata = fetch_metadata(required().issuer)
    return metadata, len(fetch_keys(metadata).keys)


def redirect_uri() -> str:
    """Return the address to register with the OpenID provider."""
    address: str = settings.SITE_URL + reverse("oidc-callback")
    return address


def member_for(identity: Identity) -> Member:
    """Return the identity's member; create one if the domain allows it. Raises Refused."""
    member = _linked(identity) or _joined(identity)
    if not member.is_active:
        raise Refused(DEACTIVATED)
    ExternalIdentity.objects.used(identity.issuer, identity.subject, identity.email)
    return _with_role(member, identity)


def member_by_invitation(identity: Identity, invitation: Invitation) -> Member:
    """Create the invited member; if the identity is linked already, return its member instead. Raises Refused."""
    if _linked(identity):
        return member_for(identity)
    email = identity.email if identity.email_verified else invitation.email
    for member in _new_members(identity, email):
        try:
            with transaction.atomic():
                if not invitation.accept(member):
                    raise Refused("This invitation was used, revoked or has expired. Ask an admin for a new one.")
                if not _link(member, identity):
                    # A parallel request of the same person was faster.
                    raise IntegrityError
            return _with_role(member, identity)
        except IntegrityError:
            if _linked(identity):
                return member_for(identity)
    raise Refused("No username is free for you. Ask an admin for help.")


def link(member: Member, identity: Identity) -> None:
    """Link an identity to a member. Raises Refused if it is another member's."""
    if not _link(member, identity):
        raise Refused(
            f"This {required().name} account belongs to another member. Sign out of {required().name}, then link "
            "your own account."
        )


def _link(member: Member, identity: Identity) -> bool:
    return ExternalIdentity.objects.link(
        member, issuer=identity.issuer, subject=identity.subject, email=identity.email, name=required().name
    )


def _linked(identity: Identity) -> Member | None:
    found = ExternalIdentity.objects.of(identity.issuer, identity.subject).first()
    return found.member if found else None


def _joined(identity: Identity) -> Member:
    """Create an account for a new person of an allowed domain. Raises Refused."""
    _check_may_join(identity)
    name = required().name
    for member in _new_members(identity, identity.email):
        try:
            with transaction.atomic():
                member.save()
                AuditEntry.objects.record(member, f"Joined with {name}, as {identity.email}.", about=member)
                if not _link(member, identity):
                    # A parallel request of the same person was faster.
                    raise IntegrityError
            return member
        except IntegrityError:
            if linked := _linked(identity):
                return linked
    raise Refused("No username is free for you. Ask an admin for an invitation.")


def _check_may_join(identity: Identity) -> None:
    oidc = required()
    who = identity.email or identity.username or "You"
    if identity.email_verified and Member.objects.filter(email__iexact=identity.email).exists():
        how = (
            f"Sign in with your password and link {oidc.name} in your profile."
            if settings.PASSWORD_SIGN_IN
            else "Ask an admin for a sign-in link to your account."
        )
        raise Refused(f"A member has the email address {identity.email}, but is not linked with {oidc.name}. {how}")
    if not oidc.domains:
        raise Refused(f"{who} has no account here yet. Ask an admin for an invitation.")
    if not identity.email:
        raise Refused(f"{oidc.name} names no email address for you. Ask an admin for an invitation.")
    if not identity.email_verified:
        raise Refused(
            f"{oidc.name} has not verified the email address {identity.email}. Verify it there, or ask an admin for an "
            "invitation."
        )
    if identity.domain not in oidc.domains:
        raise Refused(
            f"{identity.email} has no account here, and its domain cannot join without an invitation. "
            "Ask an admin for one."
        )


def _new_members(identity: Identity, email: str) -> list[Member]:
    """Return unsaved members, with usernames to try in turn."""
    wanted = re.sub(r"[^\w.+-]", "", identity.username.partition("@")[0])[: MAX_USERNAME - 4] or "member"
    names = [wanted, *(f"{wanted}{number}" for number in range(2, 100))]
    taken = {
        name.lower() for name in Member.objects.filter(username__istartswith=wanted).values_list("username", flat=True)
    }
    members = []
    for name in names:
        if name.lower() not in taken:
            member = Member(username=name, first_name=identity.first_name, last_name=identity.last_name, email=email)
            member.set_unusable_password()
            members.append(member)
    return members[:5]


def _with_role(member: Member, identity: Identity) -> Member:
    """Grant or revoke the admin role by the group, if one is configured; the last admin keeps the role."""
    group = required().admin_group.removeprefix("/")
    if group:
        is_admin = group in identity.groups
        reason = f": {'in' if is_admin else 'not in'} the group {group} of {required().name}"
        if member.is_superuser != is_admin and member.set_role(None, admin=is_admin, reason=reason):
            member.refresh_from_db()
    return member

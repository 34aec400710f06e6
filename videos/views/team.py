"""The team: members, invitations, roles and limits."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from .. import mail
from ..forms import InviteForm, LimitForm
from ..models import AuditEntry, Invitation, Member, Pricing
from ..models.budget import Usage
from ..sign_in_links import Purpose, path_for
from .access import admins_only
from .navigation import site_origin
from .requests import MemberRequest

MEMBER_ENTRIES = 20
LAST_ADMIN = "This is the only admin. Make another member an admin first."


@require_GET
def team(request: MemberRequest) -> HttpResponse:
    """List the members, when each was last seen, and what each used this month."""
    return _team_page(request, InviteForm())


def _team_page(request: MemberRequest, form: InviteForm, status: int = 200, **extra: Any) -> HttpResponse:
    pricing = Pricing.current()
    context = {
        "rows": Usage.of(Member.objects.all(), pricing),
        "form": form,
        "can_mail": settings.CAN_MAIL_LINKS,
        "pricing": pricing,
    }
    if request.user.is_superuser:
        context["invitations"] = Invitation.objects.good().select_related("invited_by")
    return render(request, "team/team.html", context | extra, status=status)


@require_POST
@never_cache
@admins_only
def invitations(request: MemberRequest) -> HttpResponse:
    """Create an invitation. Only this response shows its link."""
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _team_page(request, form, status=422)
    invitation, key = form.save_by(request.user)
    path = reverse("invitation", args=[key])
    mailed = bool(invitation.email) and mail.send_link(invitation.email, "invitation", path, {"invitation": invitation})
    if mailed:
        Invitation.objects.filter(pk=invitation.pk).update(mailed_at=timezone.now())
    link = site_origin(request) + path
    return _team_page(request, InviteForm(), link=link, link_for=invitation.email, mailed=mailed)


@require_POST
@admins_only
def revocation(request: MemberRequest, uuid: UUID) -> HttpResponse:
    """Revoke an invitation."""
    revoked = get_object_or_404(Invitation, uuid=uuid).revoke(request.user)
    message = "Revoked. Its link no longer works." if revoked else "The invitation had been used or had expired."
    messages.info(request, message)
    return redirect("team")


@require_GET
@admins_only
def member(request: MemberRequest, pk: int) -> HttpResponse:
    """Show one member to an admin."""
    subject = get_object_or_404(Member, pk=pk)
    return _member_page(request, subject, LimitForm.of(subject))


def _member_page(
    request: MemberRequest, subject: Member, form: LimitForm, status: int = 200, **extra: Any
) -> HttpResponse:
    pricing = Pricing.current()
    context = {
        "subject": subject,
        "form": form,
        "pricing": pricing,
        "price": pricing.amount(pricing.per_generate),
        "usage": Usage.of(Member.objects.filter(pk=subject.pk), pricing)[0],
        "identities": subject.identities.all(),
        "audit_entries": subject.changes.select_related("by")[:MEMBER_ENTRIES],
    }
    return render(request, "team/member.html", context | extra, status=status)


@require_POST
@admins_only
def role(request: MemberRequest, pk: int) -> HttpResponse:
    """Make a member an admin, or an admin a member."""
    subject = get_object_or_404(Member, pk=pk)
    admin = request.POST.get("role") == "admin"
    if subject.set_role(request.user, admin=admin):
        messages.success(request, f"{subject.username} is {'now an admin' if admin else 'no longer an admin'}.")
    elif not admin and subject.is_superuser:
        messages.error(request, LAST_ADMIN)
    return redirect("member", pk) if request.user.pk != pk or admin else redirect("team")


@require_POST
@admins_only
def activity(request: MemberRequest, pk: int) -> HttpResponse:
    """Deactivate a member, or activate them again."""
    subject = get_object_or_404(Member, pk=pk)
    active = request.POST.get("active") == "1"
    if subject.set_active(request.user, active=active):
        result = "can sign in again" if active else "is signed out everywhere and cannot sign in; their videos stay"
        messages.success(request, f"{subject.username} {result}.")
    elif not active and subject.is_active:
        messages.error(request, LAST_ADMIN)
    return redirect("member", pk)


@require_POST
@admins_only
def limit(request: MemberRequest, pk: int) -> HttpResponse:
    """Set a member's monthly limit."""
    subject = get_object_or_404(Member, pk=pk)
    form = LimitForm(request.POST)
    if not form.is_valid():
        return _member_page(request, subject, form, status=422)
    changed = form.save_by(request.user, subject)
    messages.success(request, "Saved." if changed else "No changes to save.")
    return redirect("member", pk)


@require_POST
@never_cache
@admins_only
def password_link(request: MemberRequest, pk: int) -> HttpResponse:
    """Create a link by which a member chooses a new password, valid once within a day. Only this response shows it."""
    subject = get_object_or_404(Member, pk=pk, is_active=True)
    if not settings.PASSWORD_SIGN_IN:
        return _sign_in_link(request, subject)
    path = mail.path_to_new_password(subject)
    may_mail = bool(subject.email) and not subject.is_email_on_hold
    mailed = may_mail and mail.send_link(subject.email, "password", path, {"member": subject})
    AuditEntry.objects.record(request.user, f"Made a link to a new password for {subject.username}.", about=subject)
    link = site_origin(request) + path
    return _member_page(request, subject, LimitForm.of(subject), link=link, mailed=mailed)


def _sign_in_link(request: MemberRequest, subject: Member) -> HttpResponse:
    """Show a link by which the member links their account of the OpenID provider, valid once within a day."""
    if not settings.OIDC:
        raise Http404("No OpenID provider is configured.")
    link = site_origin(request) + path_for(subject, Purpose.LINK)
    AuditEntry.objects.record(request.user, f"Made a sign-in link for {subject.username}.", about=subject)
    return _member_page(request, subject, LimitForm.of(subject), link=link, mailed=False)


@require_POST
@admins_only
def email_confirmation(request: MemberRequest, pk: int) -> HttpResponse:
    """Let a new address receive a password link at once; the form names the address that the admin saw."""
    subject = get_object_or_404(Member, pk=pk)
    email = request.POST.get("email", "")
    if subject.confirm_email(request.user, email):
        messages.success(request, f"{email} can receive a link to a new password.")
    else:
        messages.error(request, "This address no longer needs a confirmation.")
    return redirect("member", pk)

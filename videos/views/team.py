from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from .. import mail
from ..forms import InviteForm, LimitForm
from ..keyset import read_page, rows_after
from ..models import AuditEntry, Invitation, Member, Pricing
from ..models.budget import Usage
from .navigation import site_origin
from .params import parse_int

CHANGES = 50
THE_LAST = "Nobody else is an admin. Make somebody one first."


def _admins_only(request: HttpRequest) -> None:
    if not request.user.is_superuser:
        raise PermissionDenied("Only an admin manages the team.")


@require_GET
def team(request: HttpRequest) -> HttpResponse:
    """Who is here, when they were last seen, and how much they used this month."""
    return _page(request, InviteForm())


def _page(request: HttpRequest, form: InviteForm, status: int = 200, **more) -> HttpResponse:
    terms = Pricing.current()
    context = {
        "rows": Usage.of(Member.objects.all(), terms),
        "form": form,
        "can_mail": settings.CAN_MAIL_LINKS,
        "terms": terms,
    }
    if request.user.is_superuser:
        context["invitations"] = Invitation.objects.good().select_related("invited_by")
    return render(request, "team/team.html", context | more, status=status)


@require_POST
@never_cache
def invitations(request: HttpRequest) -> HttpResponse:
    """Invite somebody. The link is on the page that comes and never again."""
    _admins_only(request)
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    invitation, key = form.save_by(request.user)
    path = reverse("invitation", args=[key])
    mailed = bool(invitation.email) and mail.send_link(invitation.email, "invitation", path, {"invitation": invitation})
    if mailed:
        Invitation.objects.filter(pk=invitation.pk).update(mailed_at=timezone.now())
    link = site_origin(request) + path
    return _page(request, InviteForm(), link=link, link_for=invitation.email or "them", mailed=mailed)


@require_POST
def revocation(request: HttpRequest, uuid) -> HttpResponse:
    _admins_only(request)
    revoked = get_object_or_404(Invitation, uuid=uuid).revoke(request.user)
    messages.info(request, "Revoked: its link opens nothing any more." if revoked else "It was used or had expired.")
    return redirect("team")


@require_GET
def member(request: HttpRequest, pk: int) -> HttpResponse:
    """One member, to be managed."""
    _admins_only(request)
    somebody = get_object_or_404(Member, pk=pk)
    return _member(request, somebody, LimitForm.of(somebody))


def _member(request: HttpRequest, somebody: Member, form: LimitForm, status: int = 200, **more) -> HttpResponse:
    terms = Pricing.current()
    context = {
        "somebody": somebody,
        "form": form,
        "terms": terms,
        "price": terms.amount(terms.per_generate),
        "row": Usage.of(Member.objects.filter(pk=somebody.pk), terms)[0],
        "changes": somebody.changes.select_related("by")[:20],
    }
    return render(request, "team/member.html", context | more, status=status)


@require_POST
def role(request: HttpRequest, pk: int) -> HttpResponse:
    _admins_only(request)
    somebody = get_object_or_404(Member, pk=pk)
    admin = request.POST.get("role") == "admin"
    if somebody.set_role(request.user, admin=admin):
        messages.success(request, f"{somebody.username} is {'an admin now' if admin else 'no longer an admin'}.")
    elif not admin and somebody.is_superuser:
        messages.error(request, THE_LAST)
    return redirect("member", pk) if request.user.pk != pk or admin else redirect("team")


@require_POST
def activity(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep somebody out, or let them in again."""
    _admins_only(request)
    somebody = get_object_or_404(Member, pk=pk)
    active = request.POST.get("active") == "1"
    if somebody.set_active(request.user, active=active):
        done = "may sign in again" if active else "is signed out everywhere and cannot come in; their videos stay"
        messages.success(request, f"{somebody.username} {done}.")
    elif not active and somebody.is_active:
        messages.error(request, THE_LAST)
    return redirect("member", pk)


@require_POST
def limit(request: HttpRequest, pk: int) -> HttpResponse:
    _admins_only(request)
    somebody = get_object_or_404(Member, pk=pk)
    form = LimitForm(request.POST)
    if not form.is_valid():
        return _member(request, somebody, form, status=422)
    messages.success(request, "Saved." if form.save_by(request.user, somebody) else "Nothing was changed.")
    return redirect("member", pk)


@require_POST
@never_cache
def new_password(request: HttpRequest, pk: int) -> HttpResponse:
    """A link by which a member chooses a new password, once, within a day."""
    _admins_only(request)
    somebody = get_object_or_404(Member, pk=pk, is_active=True)
    path = mail.path_to_new_password(somebody)
    may_mail = bool(somebody.email) and not somebody.email_waits
    mailed = may_mail and mail.send_link(somebody.email, "password", path, {"member": somebody})
    AuditEntry.objects.record(request.user, f"Made a link to a new password for {somebody.username}.", about=somebody)
    link = site_origin(request) + path
    return _member(request, somebody, LimitForm.of(somebody), link=link, mailed=mailed)


@require_POST
def email_confirmation(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a new address receive a link to a new password at once; the form names the address the admin saw."""
    _admins_only(request)
    somebody = get_object_or_404(Member, pk=pk)
    email = request.POST.get("email", "")
    if somebody.confirm_email(request.user, email):
        messages.success(request, f"{email} can receive a link to a new password.")
    else:
        messages.error(request, "This address does not wait for a confirmation any more.")
    return redirect("member", pk)


@require_http_methods(["GET"])
def changes(request: HttpRequest) -> HttpResponse:
    """Who changed what, the latest first."""
    _admins_only(request)
    rows = AuditEntry.objects.select_related("by")
    before = parse_int(request.GET.get("before"))
    if before:
        rows = rows_after(rows, before)
    page = read_page(rows, CHANGES)
    older = page.rows[-1].pk if page.has_more else None
    return render(request, "team/audit.html", {"changes": page.rows, "older": older, "first": not before})

"""The first admin, invitations, and a member's own account."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from .. import mail
from ..forms import AcceptInvitationForm, PreferencesForm, ProfileForm, SetupForm
from ..models import Allowance, AuditEntry, Invitation, Member
from .access import SESSION_BACKEND
from .navigation import previous_path, without_referrer
from .passwords import passwords_are_off
from .proxy_sign_in import named_by_proxy
from .requests import MemberRequest
from .throttling import CURRENT_PASSWORD, SETUP_CODE, attempt_allowed, lockout_response, record_failure

THEME_COOKIE_SECONDS = 365 * 24 * 3600


def setup_code() -> str:
    """Return the one-time code that is printed at start and required beyond loopback; "" on loopback.

    Derived from the secret key, so that every machine of an installation requires the same code.
    """
    if settings.ON_LOOPBACK:
        return ""
    return salted_hmac("videos.setup", "code", algorithm="sha256").hexdigest()[:8]


@login_not_required
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "POST"])
@transaction.non_atomic_requests
def setup(request: HttpRequest) -> HttpResponse:
    """Create the first admin; once there is a member, redirect to the studio."""
    if Member.objects.exists():
        return redirect("studio")
    if request.method == "POST" and not attempt_allowed(request, SETUP_CODE):
        return lockout_response(request)
    # Behind a proxy that authenticates, only an admin with the name in its header can sign in again.
    form = SetupForm(request.POST or None, code=setup_code(), initial={"username": named_by_proxy(request)})
    if request.method == "POST" and form.is_valid():
        member = form.save()
        if member is None:
            return redirect("login")
        login(request, member, backend=SESSION_BACKEND)
        if settings.OIDC and not settings.PASSWORD_SIGN_IN:
            messages.warning(request, f"Link {settings.OIDC.name} now, so that you can sign in again.")
            return redirect("profile")
        return redirect("studio")
    if "code" in form.errors:
        record_failure(request, SETUP_CODE)
    status = 422 if request.method == "POST" else 200
    return render(request, "account/setup.html", {"form": form, "needs_code": not settings.ON_LOOPBACK}, status=status)


@login_not_required
@never_cache
def admin_login(request: HttpRequest) -> HttpResponse:
    """Redirect the admin site's sign-in to ours; answer 403 to members who may not use the admin site."""
    if request.user.is_authenticated:
        raise PermissionDenied("These pages are for admins.")
    return redirect_to_login(request.GET.get("next") or reverse("admin:index"), reverse("login"))


@login_not_required
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, key: str) -> HttpResponse:
    """Create an account from an invitation's link, once."""
    # Wrong keys are not counted: 256 random bits cannot be guessed, and any page could make a browser try some.
    found = Invitation.objects.opened_by(key)
    if not found:
        return without_referrer(render(request, "account/invitation_gone.html", status=404))
    if stranger := named_by_proxy(request):
        return _accept_by_proxy(request, found, stranger)
    if request.method == "POST" and not settings.PASSWORD_SIGN_IN:
        return passwords_are_off(request)
    form = AcceptInvitationForm(request.POST or None, invitation=found)
    if request.method == "POST" and form.is_valid():
        if member := form.save():
            login(request, member, backend=SESSION_BACKEND)
            return redirect("studio")
        if not form.errors:
            return without_referrer(render(request, "account/invitation_gone.html", status=404))
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "invitation": found}
    return without_referrer(render(request, "account/invitation.html", context, status=status))


def _accept_by_proxy(request: HttpRequest, invitation: Invitation, name: str) -> HttpResponse:
    """Let a person join, without a password, under the name that the proxy has signed in."""
    member = Member(username=name, email=invitation.email)
    member.set_unusable_password()
    try:
        member.clean_fields(exclude=["password"])
        problem = "You are a member already." if Member.objects.filter(username__iexact=name).exists() else ""
    except ValidationError:
        problem = f"Your name at the proxy, {name}, cannot be a username. Ask an admin for help."
    if request.method == "POST" and not problem:
        if invitation.accept(member):
            return redirect("studio")  # the middleware signs the new member in
        return without_referrer(render(request, "account/invitation_gone.html", status=404))
    context = {"invitation": invitation, "stranger": name, "problem": problem}
    status = 422 if request.method == "POST" else 200
    return without_referrer(render(request, "account/invitation_by_proxy.html", context, status=status))


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def profile(request: MemberRequest) -> HttpResponse:
    """Show and save the member's profile; a new email address requires the current password."""
    form = ProfileForm(request.POST or None, instance=Member.objects.get(pk=request.user.pk))
    owner = str(request.user.pk)
    if request.method == "POST" and form.changes_email and not attempt_allowed(request, CURRENT_PASSWORD, owner):
        return lockout_response(request)
    if request.method == "POST" and form.is_valid():
        member = form.save()
        if form.changes_email and (old := member.change_email(form.cleaned_data["email"])):
            mail.send(old, "address_changed", {"member": member})
        messages.success(request, "Saved.")
        return _with_theme_cookie(redirect("profile"), member.theme)
    if form.has_wrong_password:
        record_failure(request, CURRENT_PASSWORD, owner)
    return _profile_page(request, form, PasswordChangeForm(request.user))


def _profile_page(request: MemberRequest, form: ProfileForm, password_form: PasswordChangeForm) -> HttpResponse:
    context = {
        "form": form,
        "password_form": password_form,
        "allowance": Allowance.of(request.user),
        "identities": request.user.identities.all(),
        "has_password": settings.PASSWORD_SIGN_IN and request.user.has_usable_password(),
    }
    return render(request, "account/profile.html", context, status=422 if request.method == "POST" else 200)


def _with_theme_cookie(response: HttpResponse, theme: str) -> HttpResponse:
    """Set the theme in a cookie too, so that the sign-in page has it."""
    max_age = THEME_COOKIE_SECONDS if theme else 0
    response.set_cookie("theme", theme, max_age=max_age, samesite="Lax", secure=settings.BEHIND_TLS)
    return response


@require_POST
def preferences(request: MemberRequest) -> HttpResponse:
    """Save a switch of the account menu, or the size of the gallery's cards, whose control is returned."""
    form = PreferencesForm(request.POST)
    if not form.is_valid():
        return HttpResponse("Unknown preference.", status=422, content_type="text/plain")
    form.save_for(request.user)
    if "card_size" not in request.POST:
        return HttpResponse(status=204)
    if request.htmx:
        return render(request, "gallery/_card_size.html")
    return redirect(previous_path(request) or "studio")


@sensitive_post_parameters()
@require_POST
def password(request: MemberRequest) -> HttpResponse:
    """Change the password, which signs the member out of every other browser."""
    if not settings.PASSWORD_SIGN_IN:
        return passwords_are_off(request)
    owner = str(request.user.pk)
    if not attempt_allowed(request, CURRENT_PASSWORD, owner):
        return lockout_response(request)
    form = PasswordChangeForm(request.user, request.POST)
    if not form.is_valid():
        if "old_password" in form.errors:
            record_failure(request, CURRENT_PASSWORD, owner)
        return _profile_page(request, ProfileForm(instance=request.user), form)
    form.save()
    update_session_auth_hash(request, form.user)
    AuditEntry.objects.record(request.user, f"{request.user.username} has a new password.", about=request.user)
    messages.success(request, "Password changed. Every other browser has to sign in again.")
    return redirect("profile")


@require_POST
def sign_out_elsewhere(request: MemberRequest) -> HttpResponse:
    """End every session of the member but this one."""
    request.user.sign_out_everywhere()
    update_session_auth_hash(request, request.user)
    messages.success(request, "Signed out everywhere else.")
    return redirect("profile")

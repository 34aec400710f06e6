from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from .. import mail
from ..forms import ChoicesForm, ComingInForm, ProfileForm, SetupForm
from ..models import Allowance, AuditEntry, Invitation, Member
from .throttling import CURRENT_PASSWORD, SETUP_CODE, attempt_allowed, lockout_response, record_failure

YEAR = 365 * 24 * 3600
PASSWORDS = "django.contrib.auth.backends.ModelBackend"


def setup_code() -> str:
    """The one-time code that is printed at the start and asked for beyond loopback; "" on loopback.

    Made from the secret key, so that every machine that serves this installation asks for the same one.
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
    """Make the first admin; closed for ever once there is a member."""
    if Member.objects.exists():
        return redirect("studio")
    if request.method == "POST" and not attempt_allowed(request, SETUP_CODE):
        return lockout_response(request)
    code = setup_code()
    form = SetupForm(request.POST or None, code=code)
    if request.method == "POST" and form.is_valid():
        member = form.save()
        if member is None:
            return redirect("login")
        login(request, member, backend=PASSWORDS)
        return redirect("studio")
    if "code" in form.errors:
        record_failure(request, SETUP_CODE)
    status = 422 if request.method == "POST" else 200
    return render(request, "account/setup.html", {"form": form, "asks_code": not settings.ON_LOOPBACK}, status=status)


# ── Coming in ─────────────────────────────────────────────────────────────────────────────────────────────────


@login_not_required
@never_cache
def admin_login(request: HttpRequest) -> HttpResponse:
    """The one sign-in for the admin pages too; whoever is signed in and not allowed there is told so."""
    if request.user.is_authenticated:
        raise PermissionDenied("These pages are for admins.")
    return redirect_to_login(request.GET.get("next") or reverse("admin:index"), reverse("login"))


@login_not_required
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, key: str) -> HttpResponse:
    """Where an invitation's link leads: choose a name and a password, once."""
    # Wrong keys are not counted: 256 random bits cannot be guessed, and any page could make a browser try some.
    invited = Invitation.objects.opened_by(key)
    if not invited:
        return _secret(render(request, "account/invitation_gone.html", status=404))
    form = ComingInForm(request.POST or None, invitation=invited)
    if request.method == "POST" and form.is_valid():
        if member := form.save():
            login(request, member, backend=PASSWORDS)
            return redirect("studio")
        if not form.errors:
            return _secret(render(request, "account/invitation_gone.html", status=404))
    status = 422 if request.method == "POST" else 200
    return _secret(render(request, "account/invitation.html", {"form": form, "invited": invited}, status=status))


def _secret(response: HttpResponse) -> HttpResponse:
    """The address of this page opens something: it is told to nobody and kept nowhere."""
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


# ── One's own account ─────────────────────────────────────────────────────────────────────────────────────────


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Change how the team sees somebody; another e-mail address takes the present password."""
    form = ProfileForm(request.POST or None, instance=Member.objects.get(pk=request.user.pk))
    whose = str(request.user.pk)
    if request.method == "POST" and form.changes_email and not attempt_allowed(request, CURRENT_PASSWORD, whose):
        return lockout_response(request)
    if request.method == "POST" and form.is_valid():
        member = form.save()
        if form.changes_email and (old := member.change_email(form.cleaned_data["email"])):
            mail.send(old, "address_changed", {"member": member})
        messages.success(request, "Saved.")
        return _with_theme(redirect("profile"), member.theme)
    if form.wrong_password:
        record_failure(request, CURRENT_PASSWORD, whose)
    return _profile(request, form, PasswordChangeForm(request.user))


def _profile(request: HttpRequest, form: ProfileForm, passwords: PasswordChangeForm) -> HttpResponse:
    context = {"form": form, "passwords": passwords, "allowance": Allowance.of(request.user)}
    return render(request, "account/profile.html", context, status=422 if request.method == "POST" else 200)


def _with_theme(response: HttpResponse, theme: str) -> HttpResponse:
    """Also in a cookie, so that the sign-in page is no flash of another light."""
    response.set_cookie("theme", theme, max_age=YEAR if theme else 0, samesite="Lax", secure=settings.BEHIND_TLS)
    return response


@require_POST
def choices(request: HttpRequest) -> HttpResponse:
    """Keep what was switched in the account menu."""
    form = ChoicesForm(request.POST)
    if not form.is_valid():
        return HttpResponse("There is no such choice.", status=422, content_type="text/plain")
    form.save_for(request.user)
    return HttpResponse(status=204)


@sensitive_post_parameters()
@require_POST
def password(request: HttpRequest) -> HttpResponse:
    """Another password; every other browser has to sign in with it."""
    if not attempt_allowed(request, CURRENT_PASSWORD, str(request.user.pk)):
        return lockout_response(request)
    form = PasswordChangeForm(request.user, request.POST)
    if not form.is_valid():
        if "old_password" in form.errors:
            record_failure(request, CURRENT_PASSWORD, str(request.user.pk))
        return _profile(request, ProfileForm(instance=request.user), form)
    form.save()
    update_session_auth_hash(request, form.user)
    AuditEntry.objects.record(request.user, f"{request.user.username} has a new password.", about=request.user)
    messages.success(request, "Your password is changed. Every other browser has to sign in again.")
    return redirect("profile")


@require_POST
def sign_outs(request: HttpRequest) -> HttpResponse:
    """Sign out everywhere but here."""
    request.user.sign_out_everywhere()
    update_session_auth_hash(request, request.user)
    messages.success(request, "Signed out everywhere else.")
    return redirect("profile")

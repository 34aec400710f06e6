from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
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
from ..models import Allowance, Change, Invitation, Member
from .address import PRESENT_PASSWORD, SETUP_CODE, may_try, was_wrong

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
    if request.method == "POST" and not may_try(request, SETUP_CODE):
        return kept_out(request)
    code = setup_code()
    form = SetupForm(request.POST or None, code=code)
    if request.method == "POST" and form.is_valid():
        member = form.save()
        if member is None:
            return redirect("login")
        login(request, member, backend=PASSWORDS)
        return redirect("studio")
    if "code" in form.errors:
        was_wrong(request, SETUP_CODE)
    status = 422 if request.method == "POST" else 200
    return render(request, "videos/setup.html", {"form": form, "asks_code": not settings.ON_LOOPBACK}, status=status)


# ── Coming in ─────────────────────────────────────────────────────────────────────────────────────────────────


def kept_out(request: HttpRequest, answer: HttpResponse | None = None, credentials: dict | None = None) -> HttpResponse:
    """For whoever tried too many passwords, links or codes: the right one is not looked at either for a while."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    if request.resolver_match.url_name == "login":
        words = (
            f"Too many wrong passwords came from your address. Wait {minutes} minutes and try again. If you forgot "
            "yours, ask your admin for a new one."
        )
        form = AuthenticationForm(request, initial={"username": request.POST.get("username", "")[:150]})
        context = {"form": form, "kept_out": words, "next": request.POST.get("next", "")}
        response = render(request, "registration/login.html", context, status=429)
    else:
        words = f"Too many wrong tries came from your address. Nothing was done. Wait {minutes} minutes and try again."
        response = render(request, "registration/wait.html", {"kept_out": words}, status=429)
    response.headers["Retry-After"] = str(minutes * 60)
    return response


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
        return _secret(render(request, "videos/invitation_gone.html", status=404))
    form = ComingInForm(request.POST or None, invitation=invited)
    if request.method == "POST" and form.is_valid():
        if member := form.save():
            login(request, member, backend=PASSWORDS)
            return redirect("studio")
        if not form.errors:
            return _secret(render(request, "videos/invitation_gone.html", status=404))
    status = 422 if request.method == "POST" else 200
    return _secret(render(request, "videos/invitation.html", {"form": form, "invited": invited}, status=status))


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
    if request.method == "POST" and form.changes_email and not may_try(request, PRESENT_PASSWORD, whose):
        return kept_out(request)
    if request.method == "POST" and form.is_valid():
        member = form.save()
        if form.changes_email and (old := member.change_email(form.cleaned_data["email"])):
            mail.send(old, "address_changed", {"member": member})
        messages.success(request, "Saved.")
        return _with_theme(redirect("profile"), member.theme)
    if form.wrong_password:
        was_wrong(request, PRESENT_PASSWORD, whose)
    return _profile(request, form, PasswordChangeForm(request.user))


def _profile(request: HttpRequest, form: ProfileForm, passwords: PasswordChangeForm) -> HttpResponse:
    context = {"form": form, "passwords": passwords, "allowance": Allowance.of(request.user)}
    return render(request, "videos/profile.html", context, status=422 if request.method == "POST" else 200)


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
    if not may_try(request, PRESENT_PASSWORD, str(request.user.pk)):
        return kept_out(request)
    form = PasswordChangeForm(request.user, request.POST)
    if not form.is_valid():
        if "old_password" in form.errors:
            was_wrong(request, PRESENT_PASSWORD, str(request.user.pk))
        return _profile(request, ProfileForm(instance=request.user), form)
    form.save()
    update_session_auth_hash(request, form.user)
    Change.objects.note(request.user, f"{request.user.username} has a new password.", about=request.user)
    messages.success(request, "Your password is changed. Every other browser has to sign in again.")
    return redirect("profile")


@require_POST
def sign_outs(request: HttpRequest) -> HttpResponse:
    """Sign out everywhere but here."""
    request.user.sign_out_everywhere()
    update_session_auth_hash(request, request.user)
    messages.success(request, "Signed out everywhere else.")
    return redirect("profile")

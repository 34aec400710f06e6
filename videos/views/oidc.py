"""Sign in with the OpenID provider: send the member there, and receive them back."""

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ..models import ExternalIdentity, Invitation, Member
from ..oidc import Identity, Problem, SignInError
from ..sign_in import Refused, configured, link, member_by_invitation, member_for, provider, required
from ..sign_in_links import Purpose, opened_by, use_up
from .access import SESSION_BACKEND
from .requests import MemberRequest
from .throttling import CURRENT_PASSWORD, OPENID, attempt_allowed, lockout_response, record_failure

logger = logging.getLogger(__name__)

FLOWS, PENDING = "oidc_flows", "oidc_pending"  # keys of the session
MAX_FLOWS = 5  # tabs that sign in at the same time
FLOW_SECONDS = 15 * 60


class Intent(StrEnum):
    """What happens when the member comes back."""

    SIGN_IN = "sign-in"
    LINK = "link"
    INVITATION = "invitation"
    MEMBER_LINK = "member-link"


# ── To the provider ───────────────────────────────────────────────────────────────────────────────────────────
@login_not_required
@never_cache
@require_safe
def sign_in(request: HttpRequest) -> HttpResponse:
    """Send a visitor to the OpenID provider; `next` is where they go afterwards."""
    next_path = _safe_next(request)
    if request.user.is_authenticated:
        return redirect(next_path or "studio")
    if not Member.objects.exists():
        return redirect("setup")
    return start(request, Intent.SIGN_IN, next_path=next_path)


@login_not_required
@never_cache
@require_safe
def invitation_oidc(request: HttpRequest, key: str) -> HttpResponse:
    """Accept an invitation with the OpenID provider."""
    found = Invitation.objects.opened_by(key)
    if not found:
        return render(request, "account/invitation_gone.html", status=404)
    return start(request, Intent.INVITATION, str(found.uuid))


@never_cache
@require_safe
def identities(request: MemberRequest) -> HttpResponse:
    """Send a member to the OpenID provider to link an account there."""
    return start(request, Intent.LINK, str(request.user.pk))


def start(request: HttpRequest, intent: Intent, reference: str = "", *, next_path: str = "") -> HttpResponse:
    """Redirect to the OpenID provider, and keep state, nonce and verifier in the session to check its answer."""
    oidc = configured()
    if not oidc:
        raise Http404("No OpenID provider is configured.")
    if elsewhere := _at_site_address(request):
        return elsewhere
    state, nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    try:
        address = provider().authorization_url(
            state=state, nonce=nonce, verifier=verifier, groups=bool(oidc.admin_group)
        )
    except SignInError as error:
        return _failed(request, error)
    flows = dict(list(request.session.get(FLOWS, {}).items())[1 - MAX_FLOWS :])
    flows[state] = {
        "nonce": nonce, "verifier": verifier, "next": next_path, "intent": intent, "reference": reference,
        "at": int(time.time()),
    }  # fmt: skip
    request.session[FLOWS] = flows
    return HttpResponseRedirect(address)


def _at_site_address(request: HttpRequest) -> HttpResponse | None:
    """Redirect once to the address that the provider sends members back to: the session's cookie belongs to a host."""
    site = urlsplit(settings.SITE_URL)
    if request.get_host() == site.netloc or "here" in request.GET:
        return None
    query = urlencode({name: request.GET[name] for name in ("next",) if name in request.GET} | {"here": "1"})
    return HttpResponseRedirect(f"{settings.SITE_URL}{request.path}?{query}")


def _safe_next(request: HttpRequest) -> str:
    """Return the path that `next` names on this site, "" for none or another site's."""
    path = request.GET.get("next", "")
    if not path.startswith("/") or not url_has_allowed_host_and_scheme(path, None):
        return ""
    return path


# ── Back from the provider ────────────────────────────────────────────────────────────────────────────────────
@login_not_required
@never_cache
@require_safe
def callback(request: HttpRequest) -> HttpResponse:
    """Check the provider's answer, and sign the member in or link the account."""
    oidc = configured()
    if not oidc:
        raise Http404("No OpenID provider is configured.")
    if not attempt_allowed(request, OPENID):
        return lockout_response(request)
    flow = _taken_flow(request)
    if not flow:
        # Not counted: nothing can be guessed here, and images on another site could lock out its visitors' network.
        return _page(
            request, "This sign-in is over", "It was used already, took too long, or began in another browser.", 400
        )
    try:
        identity = _identity(request, flow)
        return FINISH[Intent(flow["intent"])](request, identity, flow)
    except SignInError as error:
        if error.problem != Problem.CANCELED:
            # Count each attempt under another name, so that only many of them from one address lock it out.
            record_failure(request, OPENID, secrets.token_hex(8))
        return _failed(request, error)
    except Refused as refusal:
        return _page(request, "You cannot sign in yet", str(refusal), 403)


def _taken_flow(request: HttpRequest) -> dict[str, Any] | None:
    """Remove and return the flow of this answer's `state` from the session; None if it is missing or has expired."""
    flows = dict(request.session.get(FLOWS, {}))
    flow: dict[str, Any] | None = flows.pop(request.GET.get("state", ""), None)
    if flow is None:
        return None
    request.session[FLOWS] = flows
    return flow if _is_recent(flow) else None


def _is_recent(kept: dict[str, Any]) -> bool:
    """Return whether the session has kept this for less than FLOW_SECONDS."""
    age: float = time.time() - kept["at"]
    return age < FLOW_SECONDS


def _identity(request: HttpRequest, flow: dict[str, Any]) -> Identity:
    """Return the identity in the provider's answer. Raises SignInError."""
    client = provider()
    issuer = request.GET.get("iss")
    if issuer is not None and issuer != client.metadata().issuer:
        raise SignInError(Problem.INVALID_TOKEN, "The answer names another issuer.")
    if error := request.GET.get("error"):
        known = error if error.isascii() and error.isprintable() else "an error"
        problem = Problem.CANCELED if error == "access_denied" else Problem.REFUSED
        raise SignInError(problem, f"The provider answers {known[:60]}.")
    if not (code := request.GET.get("code")):
        raise SignInError(Problem.REFUSED, "The answer has no code.")
    groups = bool(required().admin_group)
    return client.identify(code, nonce=flow["nonce"], verifier=flow["verifier"], groups=groups)


def _finish_sign_in(request: HttpRequest, identity: Identity, flow: dict[str, Any]) -> HttpResponse:
    login(request, member_for(identity), backend=SESSION_BACKEND)
    return redirect(flow["next"] or "studio")


def _finish_invitation(request: HttpRequest, identity: Identity, flow: dict[str, Any]) -> HttpResponse:
    invitation = Invitation.objects.good().filter(uuid=flow["reference"]).select_related("invited_by").first()
    if not invitation:
        return render(request, "account/invitation_gone.html", status=404)
    login(request, member_by_invitation(identity, invitation), backend=SESSION_BACKEND)
    return redirect("studio")


def _finish_member_link(request: HttpRequest, identity: Identity, flow: dict[str, Any]) -> HttpResponse:
    found = opened_by(flow["reference"])
    if not found or found[1] != Purpose.LINK:
        return render(request, "account/sign_in_link_gone.html", status=404)
    with transaction.atomic():  # a refused account leaves the link valid
        if not use_up(found[0]):
            return render(request, "account/sign_in_link_gone.html", status=404)
        link(found[0], identity)
    login(request, member_for(identity), backend=SESSION_BACKEND)
    return redirect("studio")


def _finish_link(request: HttpRequest, identity: Identity, flow: dict[str, Any]) -> HttpResponse:
    """Ask before linking: another site can send a member through this flow with an account that is not theirs."""
    if not request.user.is_authenticated or str(request.user.pk) != flow["reference"]:
        raise Refused(
            "You are not signed in as the member who began to link. Sign in again, then link in your profile."
        )
    known = {name: value for name, value in asdict(identity).items() if name != "groups"}
    request.session[PENDING] = {"identity": known, "at": int(time.time())}
    return redirect("identity-link")


FINISH: dict[Intent, Callable[[HttpRequest, Identity, dict[str, Any]], HttpResponse]] = {
    Intent.SIGN_IN: _finish_sign_in,
    Intent.LINK: _finish_link,
    Intent.INVITATION: _finish_invitation,
    Intent.MEMBER_LINK: _finish_member_link,
}


def _failed(request: HttpRequest, error: SignInError) -> HttpResponse:
    """Show why the sign-in failed; log the details, which members need not see."""
    logger.warning("sign-in with the OpenID provider failed: %s", error)
    name = required().name
    if error.problem == Problem.UNREACHABLE:
        sentence = f"{name} does not answer. Try again in a minute. If it keeps failing, tell an admin."
        return _page(request, f"{name} cannot be reached", sentence, 503)
    if error.problem == Problem.WRONG_ANSWER:
        sentence = f"Lumaweb and {name} are not configured to match. Ask an admin to check the sign-in settings."
        return _page(request, "Sign-in does not work", sentence, 502)
    if error.problem == Problem.CANCELED:
        return _page(request, "Sign-in canceled", f"{name} did not sign you in.", 403)
    sentence = f"Lumaweb cannot trust the answer of {name}. Try again. If it keeps failing, ask an admin."
    return _page(request, "Sign-in failed", sentence, 400)


def _page(request: HttpRequest, title: str, sentence: str, status: int) -> HttpResponse:
    return render(request, "account/sign_in_failed.html", {"title": title, "sentence": sentence}, status=status)


# ── The member's linked accounts ──────────────────────────────────────────────────────────────────────────────
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "POST"])
def identity_link(request: MemberRequest) -> HttpResponse:
    """Show the account that is about to be linked, and link it; members with a password enter it."""
    pending = request.session.get(PENDING)
    if not pending or not configured():
        return redirect("profile")
    if not _is_recent(pending):
        del request.session[PENDING]
        messages.error(request, f"Linking {required().name} took too long. Start again.")
        return redirect("profile")
    asks_password = settings.PASSWORD_SIGN_IN and request.user.has_usable_password()
    owner, error = str(request.user.pk), ""
    if request.method == "POST":
        if asks_password and not attempt_allowed(request, CURRENT_PASSWORD, owner):
            return lockout_response(request)
        given = request.POST.get("current_password", "")[:4096]
        if asks_password and not request.user.check_password(given):
            error = "This is not your current password." if given else "Enter your current password."
            if given:
                record_failure(request, CURRENT_PASSWORD, owner)
        else:
            return _linked(request, Identity(**pending["identity"], groups=frozenset()))
    context = {"pending": pending["identity"], "asks_password": asks_password, "error": error}
    return render(request, "account/identity_link.html", context, status=422 if error else 200)


def _linked(request: MemberRequest, identity: Identity) -> HttpResponse:
    request.session.pop(PENDING, None)
    try:
        link(request.user, identity)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Linked. You can sign in with {required().name}.")
    return redirect("profile")


@require_POST
def identity_removal(request: MemberRequest, pk: int) -> HttpResponse:
    """Unlink an account, unless the member could then no longer sign in."""
    identity = get_object_or_404(ExternalIdentity, pk=pk, member=request.user)
    oidc = configured()
    is_of_another = oidc is not None and identity.issuer.rstrip("/") != oidc.issuer.rstrip("/")
    name = oidc.name if oidc and not is_of_another else identity.issuer
    has_password = settings.PASSWORD_SIGN_IN and request.user.has_usable_password()
    only_way_in = not (has_password or settings.AUTH_PROXY or is_of_another)
    if identity.unlink(request.user, name=name, only_way_in=only_way_in):
        messages.success(request, f"Unlinked from {name}.")
    else:
        password = ", or ask an admin for a password link" if settings.PASSWORD_SIGN_IN else ""
        messages.error(request, f"This is your only way to sign in. Link another account first{password}.")
    return redirect("profile")

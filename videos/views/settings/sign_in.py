"""Settings › Sign-in: what is configured, and a check of the OpenID provider."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from lumaweb.sign_in import AuthProxy

from ...models import ExternalIdentity, Member
from ...oidc import SignInError
from ...sign_in import configured, inspect, redirect_uri
from ..access import admins_only
from ..proxy_sign_in import named_by_proxy
from ..requests import MemberRequest


@dataclass(frozen=True)
class Fact:
    """One line of the check's result; `level` is "ok", "info", "warning" or "error"."""

    level: str
    text: str


@require_safe
@admins_only
def sign_in(request: MemberRequest) -> HttpResponse:
    """Show how members can sign in."""
    return _page(request)


@require_POST
@admins_only
def sign_in_check(request: MemberRequest) -> HttpResponse:
    """Read the OpenID provider's discovery document and keys now, and show what they say."""
    if not configured():
        return redirect("sign-in")
    return _page(request, facts=_check())


def _check() -> list[Fact]:
    oidc = configured()
    assert oidc
    try:
        metadata, keys = inspect()
    except SignInError as error:
        return [Fact("error", str(error))]
    facts = [
        Fact("ok", f"The discovery document is of {metadata.issuer}."),
        Fact("ok", f"{keys} signing key{'' if keys == 1 else 's'} for {', '.join(metadata.algorithms)}."),
    ]
    if metadata.says_pkce:
        facts.append(Fact("ok", "The provider supports PKCE."))
    else:
        facts.append(Fact("warning", "The provider does not say that it supports PKCE. Lumaweb uses it anyway."))
    if settings.OIDC_CLIENT_SECRET and not {"client_secret_basic", "client_secret_post"} & set(metadata.auth_methods):
        methods = ", ".join(metadata.auth_methods)
        facts.append(Fact("error", f"The provider accepts no client secret; it accepts {methods}."))
    if oidc.admin_group and "groups" not in metadata.scopes:
        text = "The provider has no scope “groups”. Make sure that its ID tokens or userinfo name the groups."
        facts.append(Fact("warning", text))
    facts.append(
        Fact("info", "Only a real sign-in shows whether the provider accepts client ID, secret and redirect URI.")
    )
    return facts


def _page(request: MemberRequest, **extra: Any) -> HttpResponse:
    has_identity = ExternalIdentity.objects.filter(member=OuterRef("pk"))
    active = Member.objects.filter(is_active=True)
    proxy: AuthProxy | None = settings.AUTH_PROXY
    peer = request.META.get("REMOTE_ADDR", "")
    context = {
        "redirect_uri": redirect_uri() if settings.SITE_URL else "",
        "has_secret": bool(settings.OIDC_CLIENT_SECRET),
        "linked": active.filter(Exists(has_identity)).count(),
        "unlinked": active.exclude(Exists(has_identity)).count(),
        "auth_proxy": proxy,
        "proxies": [str(one).removesuffix("/32").removesuffix("/128") for one in proxy.networks] if proxy else [],
        "peer": peer,
        "peer_is_trusted": proxy is not None and proxy.trusts(peer),
        "proxy_name": named_by_proxy(request),
    }
    return render(request, "settings/sign_in.html", context | extra)

"""The sign-in page, and one-time links that replace a password."""

from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from ..models import AuditEntry, Member
from ..sign_in import configured
from ..sign_in_links import Purpose, opened_by, use_up
from .access import SESSION_BACKEND
from .navigation import without_referrer
from .oidc import Intent, start
from .proxy_sign_in import BY_LINK, named_by_proxy


class SignInView(auth.LoginView):
    """Django's view, with the other ways to sign in."""

    template_name = "registration/login.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"stranger": named_by_proxy(self.request)}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.PASSWORD_SIGN_IN:
            # An empty form: the password that was sent must not be checked.
            return self.render_to_response(self.get_context_data(form=self.form_class()), status=403)
        return super().post(request, *args, **kwargs)


@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def sign_in_link(request: HttpRequest, key: str) -> HttpResponse:
    """Show a one-time link's page; sign in only on a POST, as programs that preview links send a GET."""
    found = opened_by(key)
    if not found or (found[1] == Purpose.LINK and not configured()):
        return without_referrer(render(request, "account/sign_in_link_gone.html", status=404))
    member, purpose = found
    if request.method == "POST" and purpose == Purpose.SIGN_IN:
        return _use_sign_in_link(request, member)
    context = {"member": member, "links": purpose == Purpose.LINK}
    return without_referrer(render(request, "account/sign_in_link.html", context))


def _use_sign_in_link(request: HttpRequest, member: Member) -> HttpResponse:
    if not use_up(member):
        return without_referrer(render(request, "account/sign_in_link_gone.html", status=404))
    login(request, member, backend=SESSION_BACKEND)
    request.session[BY_LINK] = True
    AuditEntry.objects.record(member, f"{member.username} signed in by a one-time link.", about=member)
    return redirect("studio")


@login_not_required
@never_cache
@require_safe
def sign_in_link_oidc(request: HttpRequest, key: str) -> HttpResponse:
    """Redirect to the OpenID provider, to link an account there to the member of this link."""
    found = opened_by(key)
    if not found or found[1] != Purpose.LINK:
        return without_referrer(render(request, "account/sign_in_link_gone.html", status=404))
    # The provider signs many people in silently: another site must not send them through a link to its own account.
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return without_referrer(redirect("sign-in-link", key))
    return start(request, Intent.MEMBER_LINK, key)

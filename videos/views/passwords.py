"""Reset a forgotten password by a mailed link."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import SetPasswordForm
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods

from ..forms import PasswordResetForm
from ..jobs.queue import enqueue_password_mail
from ..models import AuditEntry
from ..password_links import password_link_tokens
from .throttling import PASSWORD_RESET, attempt_allowed, record_failure

TOO_MANY_REQUESTS = "Too many links were requested from your network. Wait ten minutes, then try again."


def passwords_are_off(request: HttpRequest) -> HttpResponse:
    """Answer 403: password sign-in is off, so no password can be set."""
    return render(request, "account/passwords_off.html", status=403)


@login_not_required
@require_http_methods(["GET", "POST"])
def password_reset(request: HttpRequest) -> HttpResponse:
    """Request a link by mail. The worker looks for the member, so the response time reveals nothing."""
    if not settings.PASSWORD_SIGN_IN:
        return passwords_are_off(request)
    form, status = PasswordResetForm(request.POST or None), 422 if request.method == "POST" else 200
    if request.method == "POST" and settings.CAN_MAIL_LINKS and form.is_valid():
        name = form.cleaned_data["email"]
        if attempt_allowed(request, PASSWORD_RESET, name):
            # Every request counts, also for names that do not exist.
            record_failure(request, PASSWORD_RESET, name)
            enqueue_password_mail(name)
            return redirect("password_reset_done")
        form.add_error(None, TOO_MANY_REQUESTS)
        status = 429
    context = {"form": form, "can_mail": settings.CAN_MAIL_LINKS}
    return render(request, "account/password_reset.html", context, status=status)


@method_decorator(login_not_required, name="dispatch")
class _PasswordResetConfirmView(auth.PasswordResetConfirmView):
    """Django's view, which moves the key from the address into the session before it shows the page."""

    template_name = "account/password_confirm.html"
    success_url = reverse_lazy("login")
    token_generator = password_link_tokens

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.PASSWORD_SIGN_IN:
            return passwords_are_off(request)
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: SetPasswordForm) -> HttpResponse:
        response = super().form_valid(form)
        assert self.user  # the link is valid
        AuditEntry.objects.record(self.user, f"{self.user.username} has a new password, by a link.", about=self.user)
        messages.success(self.request, "Password changed. Sign in with the new one.")
        return response


password_reset_sent = login_not_required(auth.PasswordResetDoneView.as_view(template_name="account/password_sent.html"))
password_reset_confirm = _PasswordResetConfirmView.as_view()

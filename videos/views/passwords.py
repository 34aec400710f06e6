"""Another password for whoever forgot theirs."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods

from ..forms import ForgottenForm
from ..jobs.queue import enqueue_password_mail
from ..models import AuditEntry
from ..password_links import password_link_tokens
from .throttling import PASSWORD_RESET, attempt_allowed, record_failure

# Every request waits in the queue, whoever asks and for whatever name.
TOO_MANY = "Too many links were requested from here. Wait ten minutes, then try again."


@login_not_required
@require_http_methods(["GET", "POST"])
def asking(request: HttpRequest) -> HttpResponse:
    """Ask for a link by mail. Whether there is such a member is found out by the worker: no answer is slower here."""
    form, status = ForgottenForm(request.POST or None), 422 if request.method == "POST" else 200
    if request.method == "POST" and settings.CAN_MAIL_LINKS and form.is_valid():
        name = form.cleaned_data["email"]
        if attempt_allowed(request, PASSWORD_RESET, name):
            record_failure(request, PASSWORD_RESET, name)
            enqueue_password_mail(name)
            return redirect("password_reset_done")
        form.add_error(None, TOO_MANY)
        status = 429
    context = {"form": form, "can_mail": settings.CAN_MAIL_LINKS}
    return render(request, "account/password_reset.html", context, status=status)


@method_decorator(login_not_required, name="dispatch")
class _Choosing(auth.PasswordResetConfirmView):
    """Django's own way: the key leaves the address for the session before the page is shown."""

    template_name = "account/password_confirm.html"
    success_url = reverse_lazy("login")
    token_generator = password_link_tokens

    def form_valid(self, form):
        answer = super().form_valid(form)
        AuditEntry.objects.record(self.user, f"{self.user.username} has a new password, by a link.", about=self.user)
        messages.success(self.request, "Your password is changed. Sign in with it.")
        return answer


sent = login_not_required(auth.PasswordResetDoneView.as_view(template_name="account/password_sent.html"))
choosing = _Choosing.as_view()

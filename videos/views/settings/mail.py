"""Settings › Mail: what is configured, the last failure, and a test mail."""

from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from ... import mail as mails
from ...mail_errors import MailProblem
from ...models import MailStatus
from ..access import admins_only
from ..requests import MemberRequest
from ..throttling import TEST_MAIL, attempt_allowed, record_failure

TOO_MANY = "Too many test mails were sent. Wait ten minutes, then try again."


class TestMailForm(forms.Form):
    to = forms.EmailField(
        label="Send a test to", max_length=254, error_messages={"required": "Enter an email address."}
    )


@require_http_methods(["GET", "POST"])
@admins_only
def mail(request: MemberRequest) -> HttpResponse:
    """Show how mail is configured; a POST sends a test mail and shows the server's answer."""
    form = TestMailForm(request.POST if request.method == "POST" else None, initial={"to": request.user.email})
    context: dict[str, Any] = {"form": form}
    status = 200
    if request.method == "POST":
        status = 422
        if settings.CAN_MAIL and form.is_valid():
            status = _send_test(request, form, context)
    context |= {
        "status": MailStatus.current(),
        "server": f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}" if settings.CAN_MAIL else "",
        "user": settings.EMAIL_HOST_USER,
        "encryption": "TLS" if settings.EMAIL_USE_SSL else "STARTTLS" if settings.EMAIL_USE_TLS else "None",
        "sender": settings.DEFAULT_FROM_EMAIL,
        "site_url": settings.SITE_URL,
    }
    return render(request, "settings/mail.html", context, status=status)


def _send_test(request: MemberRequest, form: TestMailForm, context: dict[str, Any]) -> int:
    """Send a test mail, put its result into the context, and return the page's status."""
    owner = str(request.user.pk)
    if not attempt_allowed(request, TEST_MAIL, owner):
        form.add_error("to", TOO_MANY)
        return 429
    # Every test counts: a mail server that gets many of them suspects spam.
    record_failure(request, TEST_MAIL, owner)
    result = mails.send_test(form.cleaned_data["to"], request.user)
    context["tested"] = form.cleaned_data["to"]
    context["problem" if isinstance(result, MailProblem) else "answer"] = result
    return 200

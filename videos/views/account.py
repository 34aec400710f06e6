import secrets

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from lumaweb import environment

from ..forms import SetupForm
from ..models import Member


def setup_code() -> str:
    """The one-time code that is printed at the start and asked for beyond loopback; "" on loopback."""
    if settings.ON_LOOPBACK:
        return ""
    return environment.written_once(settings.DATA_DIR / "setup-code", lambda: secrets.token_hex(4))


@login_not_required
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "POST"])
@transaction.non_atomic_requests
def setup(request: HttpRequest) -> HttpResponse:
    """Make the first admin; closed for ever once there is a member."""
    if Member.objects.exists():
        return redirect("studio")
    code = setup_code()
    form = SetupForm(request.POST or None, code=code)
    if request.method == "POST" and form.is_valid():
        member = form.save()
        if member is None:
            return redirect("login")
        login(request, member, backend="django.contrib.auth.backends.ModelBackend")
        return redirect("studio")
    status = 422 if request.method == "POST" else 200
    return render(request, "videos/setup.html", {"form": form, "asks_code": not settings.ON_LOOPBACK}, status=status)

"""The platform token on the provider page: balance, the provider's sums, and the warning about a low balance."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from ...forms.platform_token import BalanceWarningForm, PlatformTokenForm, new_platform_token_form
from ...jobs.account_reading import check_platform_token
from ...models import Pricing, ProviderAccount
from ...models.amounts import shown
from ...models.provider_account import MAX_DAYS
from ..access import admins_only
from ..navigation import previous_path
from ..requests import MemberRequest

# A ticker reads within seconds; after this, the page says that it is waiting.
READ_SOON = timedelta(seconds=30)


def account_context(
    form: PlatformTokenForm | None = None, warning_form: BalanceWarningForm | None = None
) -> dict[str, Any]:
    """Return the context of `settings/_account.html`, for every page that shows it."""
    account = ProviderAccount.objects.current()
    if account is None:
        return {"account": None, "token_form": form or new_platform_token_form()}
    warning = {"warn_below": account.warn_below}
    return {
        "account": account,
        "token_form": form or new_platform_token_form(account.warn_below),
        "is_replacing": form is not None,
        "warning_form": warning_form or BalanceWarningForm(initial=warning),
        **_figures(account),
    }


def _figures(account: ProviderAccount) -> dict[str, Any]:
    pricing = Pricing.current()
    in_credits = pricing.currency == "credits"
    waits = account.requested_at is not None and timezone.now() - account.requested_at > READ_SOON
    known = account.difference is not None
    return {
        "remaining": None if account.remaining is None else shown(account.remaining),
        "warn_below": None if account.warn_below is None else shown(account.warn_below),
        "lasts": _lasts(account),
        "charged": shown(account.charged) if account.charged is not None else None,
        "counted": pricing.amount(account.counted) if account.counted is not None else None,
        # Amounts in another unit cannot be subtracted.
        "difference": _signed(account.difference) if known and in_credits else None,
        "videos_difference": (account.charged_videos or 0) - (account.counted_videos or 0) if known else 0,
        "reading_waits": waits,
    }


def _lasts(account: ProviderAccount) -> str:
    """Say how long the balance lasts at the present pace."""
    if account.remaining is None or account.charged is None:
        return ""
    if account.remaining <= 0:
        return "used up"
    if account.days_left is None:
        return "nothing was charged lately"
    if account.days_left < 1:
        return "lasts less than a day"
    if account.days_left > MAX_DAYS:
        return "lasts more than a year"
    days = account.whole_days_left
    return f"lasts about {days} day{'' if days == 1 else 's'}"


def _signed(amount: int | None) -> str:
    if not amount:
        return "0"
    return f"{'+' if amount > 0 else '−'}{shown(abs(amount))}"


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("token")
@never_cache
@admins_only
def account(request: MemberRequest) -> HttpResponse:
    """Show the account; POST stores a platform token after the provider has accepted it, and changes nothing before."""
    if request.method != "POST":
        return _panel(request, account_context())
    form = PlatformTokenForm(request.POST)
    if not form.is_valid():
        return _panel(request, account_context(form), status=422)
    token, base_url = form.cleaned_data["token"], form.cleaned_data["base_url"]
    check = check_platform_token(base_url, token)
    if check.reading is None:
        form.add_error("token", f"Nothing was changed. {check.message}")
        return _panel(request, account_context(form), status=422)
    warn_below = form.cleaned_data["warn_below"]
    ProviderAccount.objects.connect(token, base_url, request.user, warn_below=warn_below, reading=check.reading)
    return _done(request, "The platform token is stored, and the balance is read every 15 minutes.")


@require_POST
@admins_only
def warning(request: MemberRequest) -> HttpResponse:
    """Set the balance below which to warn."""
    form = BalanceWarningForm(request.POST)
    if not form.is_valid():
        return _panel(request, account_context(warning_form=form), status=422)
    changed = ProviderAccount.objects.set_warning(form.cleaned_data["warn_below"], request.user)
    return _done(request, "Saved." if changed else "No changes to save.")


@require_http_methods(["GET", "POST"])
@never_cache
@admins_only
def reading(request: MemberRequest) -> HttpResponse:
    """Request a reading (POST); show the figures, which an open page polls while one is requested (GET)."""
    if request.method == "POST":
        ProviderAccount.objects.request_reading()
    if request.htmx:
        return render(request, "settings/_account_figures.html", account_context())
    return redirect(_back(request))


@require_POST
@admins_only
def removal(request: MemberRequest) -> HttpResponse:
    """Remove the platform token and its readings."""
    removed = ProviderAccount.objects.remove(request.user)
    return _done(request, "The platform token is removed." if removed else "There was no platform token.")


def _done(request: MemberRequest, message: str) -> HttpResponse:
    if request.htmx:
        return _panel(request, account_context() | {"account_message": message})
    messages.success(request, message)
    return redirect(_back(request))


def _back(request: MemberRequest) -> str:
    return previous_path(request).partition("#")[0] or "provider-account"


def _panel(request: MemberRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    template = "settings/_account.html" if request.htmx else "settings/account.html"
    return render(request, template, context, status=status)

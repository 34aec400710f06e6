"""The provider page: connect a provider, and the pool of API tokens."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from ...forms import PricingForm
from ...forms.provider import ConnectForm, SecretForm, TokenSettingsForm
from ...jobs.connecting import Waiting, connect, decide_held, switch
from ...jobs.queue import enqueue_drain
from ...jobs.token_check import TokenCheck, check_new, check_secret, check_token
from ...models import ApiToken, Balance, Generation, OverBudget, Pool, Pricing, State
from ...models.amounts import month_of
from ..access import admins_only
from ..requests import MemberRequest
from .account import account_context
from .provider_rows import TokenRow, token_rows

PRICES = ("per_generate", "per_extend", "currency", "team_limit", "member_limit")


@require_GET
@never_cache
@admins_only
def provider(request: MemberRequest) -> HttpResponse:
    """Show the provider of new videos, its API tokens, and the form that connects one."""
    return provider_page(request)


def provider_page(request: HttpRequest, status: int = 200, **extra: Any) -> HttpResponse:
    """Render the page; `extra` replaces parts of its context, for a form that was not accepted."""
    rows = token_rows(extra.pop("settings_form", None), extra.pop("secret_form", None))
    current = ApiToken.objects.current_first().first()
    is_connected = bool(current and current.enabled and not current.simulated)
    pricing = Pricing.current()
    context: dict[str, Any] = {
        "rows": rows,
        "current": current,
        "is_connected": is_connected,
        "has_real_tokens": any(not row.token.simulated for row in rows),
        "is_new_connection": is_connected and "connected" in request.GET,
        "connect_form": ConnectForm(),
        "pricing_form": PricingForm(instance=pricing),
        "default_url": settings.LUMA_BASE_URL,
        "public_url": settings.PUBLIC_URL or "",
        "pricing": pricing,
        "prices": {"generate": pricing.amount(pricing.per_generate), "extend": pricing.amount(pricing.per_extend)},
        **_waiting_context(pricing, extra.get("pricing_form")),
        **_in_flight_context(rows, pricing),
        **account_context(),
    }
    context |= extra
    context["focus"] = _first_error(context["connect_form"], context["pricing_form"])
    return render(request, "settings/provider.html", context, status=status)


def _first_error(*forms: Any) -> str:
    """Return the name of the first field with an error, in the order of the page; "" if there is none."""
    order = ("token", "name", "base_url", *PRICES, "max_in_flight", "daily_limit", "waiting")
    return next((name for name in order if any(name in form.errors for form in forms)), "")


def _waiting_context(pricing: Pricing, pricing_form: PricingForm | None) -> dict[str, Any]:
    """Count what waits to be sent, and what is held, with the cost of each; pricing_form: the submitted prices."""
    rows = Generation.objects
    has_new_prices = pricing_form is not None and pricing_form.is_valid()
    prices = pricing_form.instance if pricing_form and has_new_prices else pricing
    return {
        "waiting": rows.waiting_to_submit().count(),
        "waiting_cost": prices.amount(rows.waiting_to_submit().price_at(prices)),
        "has_new_prices": has_new_prices,
        "held_unsent": rows.held_unsent().count(),
        "held_unsent_cost": pricing.amount(rows.held_unsent().price_at(pricing)),
        "held_since_restore": rows.held_since_restore().count(),
        "held_since_restore_cost": pricing.amount(rows.held_since_restore().price_at(pricing)),
    }


def _in_flight_context(rows: list[TokenRow], pricing: Pricing) -> dict[str, Any]:
    enabled = [row.token for row in rows if row.token.enabled]
    used = Balance.objects.of_the_team(month_of())
    finishing = Generation.objects.filter(state__in=[State.SUBMITTING, State.PROCESSING], token__simulated=True)
    return {
        "in_flight": sum(token.in_flight for token in enabled),
        "in_flight_limit": sum(token.limit for token in enabled),
        "spent": pricing.amount(used.charged),
        "team_limit": "" if pricing.team_limit is None else pricing.amount(pricing.team_limit),
        "finishing": finishing.count(),
        "pool_trouble": Pool.current().trouble,
    }


@require_POST
@never_cache
@admins_only
@sensitive_post_parameters()
def tokens(request: MemberRequest) -> HttpResponse:
    """Test a token, and if its provider accepts it, let new videos go there; otherwise change nothing."""
    form = ConnectForm(request.POST)
    pricing_form = _pricing_form(request)
    if not (_is_valid(form, pricing_form) and _passes_test(form)):
        return _rejected(request, form, pricing_form)
    values = form.cleaned_data
    try:
        connected = connect(
            request.user,
            values["base_url"],
            values["token"],
            values["name"],
            waiting=values["waiting"],
            set_prices=pricing_form.save_by if pricing_form else lambda by: None,
            max_in_flight=values["max_in_flight"],
            daily_limit=values["daily_limit"],
        )
    except OverBudget as error:
        form.add_error("waiting", f"Nothing was changed. {error}")
        return _rejected(request, form, pricing_form)
    if not connected.is_new:
        messages.info(request, f"This token is already known as “{connected.token.name}”. It is in use now.")
    elif not connected.switched and ApiToken.objects.filter(enabled=True).count() > 1:
        messages.success(request, f"“{connected.token.name}” works and was added.")
    else:
        return redirect(f"{reverse('provider')}?connected")
    return redirect("provider")


def _pricing_form(request: HttpRequest) -> PricingForm | None:
    """Return the form of prices and limits, in which absent fields keep their value; None if all are absent."""
    if not any(name in request.POST for name in PRICES):
        return None
    current = PricingForm(instance=Pricing.current())
    values = {name: request.POST.get(name, current[name].value()) for name in PRICES}
    return PricingForm(values, instance=Pricing.current())


def _is_valid(form: ConnectForm, pricing_form: PricingForm | None) -> bool:
    return all([form.is_valid(), pricing_form is None or pricing_form.is_valid()])


def _passes_test(form: ConnectForm) -> bool:
    check = check_new(form.cleaned_data["base_url"], form.cleaned_data["token"])
    if check.problem:
        form.add_error(check.problem.field, _words(check))
    return check.problem is None


def _words(check: TokenCheck) -> str:
    assert check.problem
    return f"{check.problem.title} {check.problem.advice} ({check.detail})"


def _rejected(request: HttpRequest, form: ConnectForm, pricing_form: PricingForm | None) -> HttpResponse:
    extra: dict[str, Any] = {"connect_form": form}
    if pricing_form:
        extra["pricing_form"] = pricing_form
    return provider_page(request, 422, **extra)


@require_POST
@never_cache
@admins_only
@sensitive_post_parameters()
def token_test(request: MemberRequest) -> HttpResponse:
    """Test a token that is not stored; change nothing. With htmx: the result alone, so that the token stays typed."""
    form = ConnectForm(request.POST)
    form.full_clean()
    works = "token" not in form.errors and "base_url" not in form.errors and _passes_test(form)
    if request.htmx:
        return render(request, "settings/_token_test.html", {"connect_form": form, "works": works})
    pricing_form = _pricing_form(request)
    extra: dict[str, Any] = {"pricing_form": pricing_form} if pricing_form else {}
    return provider_page(request, 200 if works else 422, connect_form=form, works=works, **extra)


@require_POST
@admins_only
def token_activity(request: MemberRequest, pk: int) -> HttpResponse:
    """Pause a token, or resume it; one of another provider is tested first, and then new videos go there."""
    token = get_object_or_404(ApiToken, pk=pk)
    if request.POST.get("enabled") != "1":
        if token.set_enabled(False, request.user):
            messages.success(request, f"“{token.name}” is paused. Its videos in progress continue.")
        return redirect("provider")
    others = ApiToken.objects.filter(enabled=True).exclude(base_url=token.base_url)
    # If every token is paused, the provider used last is still the one that videos wait for.
    if token.base_url == ApiToken.objects.current_provider() and not others.exists():
        if token.set_enabled(True, request.user):
            messages.success(request, f"“{token.name}” is resumed.")
        enqueue_drain()
        return redirect("provider")
    check = check_token(token, request.user)
    if check.problem:
        messages.error(request, f"Nothing was changed. {_words(check)}")
        return redirect("provider")
    held = switch(request.user, token)
    waiting = f" {held} waiting {'video is' if held == 1 else 'videos are'} held; decide below." if held else ""
    messages.success(request, f"New videos are made with “{token.name}”. Other providers are paused.{waiting}")
    return redirect("provider")


@require_POST
@admins_only
def token_check(request: MemberRequest, pk: int) -> HttpResponse:
    """Test a stored token, free of charge, and use it again if the provider accepts it."""
    token = get_object_or_404(ApiToken, pk=pk)
    check = check_token(token, request.user)
    token.note(request.user, f"tested. {check.message}")
    if check.problem:
        messages.error(request, f"“{token.name}”: {_words(check)}")
    else:
        messages.success(request, f"“{token.name}”: {check.message}")
    return redirect("provider")


@require_POST
@never_cache
@admins_only
@sensitive_post_parameters()
def token_secret(request: MemberRequest, pk: int) -> HttpResponse:
    """Replace a token's secret after a test; its videos keep this token."""
    token = get_object_or_404(ApiToken, pk=pk)
    form = SecretForm(request.POST, auto_id=f"t{pk}_%s")
    if form.is_valid():
        check = check_secret(token, form.cleaned_data["token"])
        if not check.problem:
            token.rotate(form.cleaned_data["token"], request.user)
            enqueue_drain()
            messages.success(request, f"“{token.name}” has a new secret. {check.message}")
            return redirect("provider")
        form.add_error("token", f"Nothing was replaced. {_words(check)}")
    return provider_page(request, 422, secret_form=(pk, form))


@require_POST
@admins_only
def token_settings(request: MemberRequest, pk: int) -> HttpResponse:
    """Change a token's name and limits."""
    token = get_object_or_404(ApiToken, pk=pk)
    form = TokenSettingsForm(request.POST, instance=token, prefix=f"t{pk}")
    if not form.is_valid():
        return provider_page(request, 422, settings_form=form)
    if form.changed_data:
        with transaction.atomic():
            # Only these: the counters may have changed since.
            token.save(update_fields=form.changed_data)
            for text in form.describe_changes():
                token.note(request.user, text)
        enqueue_drain()
    messages.success(request, "Saved." if form.changed_data else "No changes to save.")
    return redirect("provider")


@require_POST
@admins_only
def token_removal(request: MemberRequest, pk: int) -> HttpResponse:
    """Delete a paused token that no video was made with; others are kept for their videos."""
    token = get_object_or_404(ApiToken, pk=pk)
    try:
        with transaction.atomic():
            # The lock keeps another admin from resuming it between this check and its deletion.
            paused = ApiToken.objects.select_for_update().filter(pk=pk, enabled=False).first()
            is_removed = paused is not None and not paused.generations.exists()
            if is_removed:
                token.note(request.user, f"deleted, it was for {token.base_url}")
                token.delete()
    except IntegrityError:  # A video was adopted with it after the check.
        is_removed = False
    if is_removed:
        messages.success(request, f"“{token.name}” was removed.")
    else:
        messages.error(request, f"“{token.name}” has videos or is in use, so it stays. Pause it instead.")
    return redirect("provider")


@require_POST
@admins_only
def held(request: MemberRequest) -> HttpResponse:
    """Send or cancel one group of held videos: those that certainly were not sent, or those held by a restore."""
    since_restore = request.POST.get("group") == "restored"
    choice = Waiting.SEND if request.POST.get("choice") == Waiting.SEND else Waiting.CANCEL
    try:
        count = decide_held(request.user, choice, since_restore=since_restore)
    except OverBudget as error:
        messages.error(request, f"Nothing was sent. {error}")
        return redirect("provider")
    videos = "1 video" if count == 1 else f"{count} videos"
    if choice == Waiting.SEND:
        result = f"released. {'It follows' if count == 1 else 'They follow'} in the queue."
    else:
        # Those of a restore may have been sent, and charged, after the backup.
        result = "canceled." if since_restore else "canceled. Nothing was charged."
    messages.success(request, f"{videos} {result}")
    return redirect("provider")

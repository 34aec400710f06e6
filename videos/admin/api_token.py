"""API tokens: limits, tests, rotation, and their audit log. Only admins see them."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from ..jobs.queue import enqueue_drain
from ..jobs.token_check import check_secret, check_token
from ..models import ApiToken, AuditEntry, Generation, HoldReason, Pricing
from ..reports import usage
from ..reports.periods import DateRange
from .access import AdminsOnly, admin_of, is_admin
from .api_token_columns import ApiTokenColumns
from .api_token_forms import ApiTokenForm, RotateForm

MAX_AUDIT_ENTRIES = 50  # on a token's page; the audit log has all of them
MAX_TESTED = 10


@admin.register(ApiToken)
class ApiTokenAdmin(ApiTokenColumns, AdminsOnly, admin.ModelAdmin):
    form = ApiTokenForm
    list_display = ("name", "ends_with", "condition", "load", "today", "this_month", "priority", "last_error")
    readonly_fields = (
        "ends_with",
        "condition",
        "last_error",
        "load",
        "today",
        "this_month",
        "last_used",
        "added",
    )
    actions = ("pause", "resume", "healthy_again", "test")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_admin(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_admin(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_admin(request) and not (obj and obj.generations.exists())

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # From the roll-ups: counting a month's videos for each token would take a second at a million.
        today = timezone.localdate()
        sums = usage.usage_by_token(DateRange(today.replace(day=1), today))

        def of_each(number: Callable[[usage.Sums], int]) -> Case:
            return Case(*(When(pk=pk, then=Value(number(one))) for pk, one in sums.items() if pk), default=Value(0))

        return (
            super()
            .get_queryset(request)
            .annotate(
                month_videos=of_each(lambda one: one.requested),
                month_amount=of_each(lambda one: one.amount),
                currency=Value(Pricing.current().currency),
            )
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # A token belongs to one provider, and so do the videos made with it.
        return (*self.readonly_fields, "base_url") if obj else self.readonly_fields

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        settings = ["name", "base_url", "priority", "max_in_flight", "daily_limit", "enabled"]
        if not obj:
            return [(None, {"fields": ["name", "secret", *settings[1:]]})]
        return [("Settings", {"fields": settings}), ("Status", {"fields": self.readonly_fields})]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, (extra_context or {}) | {"title": "API tokens"})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        entries: list[AuditEntry] = []
        if object_id.isdigit() and len(object_id) < 19:
            entries = list(
                AuditEntry.objects.filter(token=int(object_id)).select_related("by")[: MAX_AUDIT_ENTRIES + 1]
            )
        context = {
            "title": "API token",
            "audit_entries": entries[:MAX_AUDIT_ENTRIES],
            "has_more_entries": len(entries) > MAX_AUDIT_ENTRIES,
        }
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        admin_member = admin_of(request)
        others = ApiToken.objects.filter(enabled=True).exclude(base_url=obj.base_url)
        held = 0
        if obj.enabled and others.exists():
            # This token cannot claim what was queued for another provider; hold it, so that everyone sees it at once.
            held = Generation.objects.hold(HoldReason.PROVIDER, but=obj.base_url)
        if change:
            # Only the fields of the form: the counters may have changed while it was open.
            obj.save(update_fields=form.changed_data)
            for text in form.describe_changes():
                obj.note(admin_member, text)
        else:
            obj.save()
            obj.note(admin_member, f"added for {obj.base_url}")
        if obj.enabled and ApiToken.objects.pause_other_providers(obj.base_url, admin_member):
            messages.warning(
                request,
                "The API tokens of every other provider are paused: new videos go to one provider at a time."
                + (
                    f" {held} queued {'video is' if held == 1 else 'videos are'} held; decide on the provider page."
                    if held
                    else ""
                ),
            )
        enqueue_drain()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with transaction.atomic():
            obj.note(admin_of(request), f"deleted, it was for {obj.base_url}")
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for token in queryset:
            self.delete_model(request, token)

    @admin.action(description="Pause (send nothing new)", permissions=["change"])
    def pause(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        paused = sum(token.set_enabled(False, admin_of(request)) for token in tokens)
        messages.success(request, f"{paused} paused. Videos in progress continue.")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        providers = set(tokens.values_list("base_url", flat=True))
        if len(providers | set(ApiToken.objects.filter(enabled=True).values_list("base_url", flat=True))) > 1:
            messages.error(request, "These tokens would use two providers at once. Pause the other provider's first.")
            return
        resumed = sum(token.set_enabled(True, admin_of(request)) for token in tokens)
        enqueue_drain()
        messages.success(request, f"{resumed} resumed.")

    @admin.action(description="Mark as healthy and use again", permissions=["change"])
    def healthy_again(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        for token in tokens:
            if not token.reenable(admin_of(request)):
                token.end_back_off(admin_of(request))
        enqueue_drain()
        messages.success(request, f"{len(tokens)} marked as healthy. The next video shows whether the provider agrees.")

    @admin.action(description="Test (free of charge)", permissions=["change"])
    def test(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        for token in tokens[:MAX_TESTED]:
            self._test(request, token)

    def test_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Test the token whose page has the button."""
        if request.method != "POST" or not self.has_change_permission(request):
            raise PermissionDenied
        self._test(request, get_object_or_404(ApiToken, pk=pk))
        return redirect("admin:videos_apitoken_change", pk)

    def _test(self, request: HttpRequest, token: ApiToken) -> None:
        check = check_token(token, admin_of(request))
        level = {"ok": messages.SUCCESS, "refused": messages.ERROR}.get(check.status, messages.WARNING)
        token.note(admin_of(request), f"tested. {check.message}")
        messages.add_message(request, level, f"“{token.name}”: {check.message}")

    @method_decorator(sensitive_post_parameters())
    def rotate(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Replace a token's secret after asking the provider; a secret that it refuses is not stored."""
        if request.method not in ("GET", "POST") or not self.has_change_permission(request):
            raise PermissionDenied
        token = get_object_or_404(ApiToken, pk=pk)
        form = RotateForm(request.POST or None)
        if request.method == "POST" and form.is_valid() and self._replace_secret(request, token, form):
            return redirect("admin:videos_apitoken_change", pk)
        context = self.admin_site.each_context(request) | {
            "form": form,
            "title": f"A new secret for “{token.name}”",
            "token": token,
            "opts": self.opts,
        }
        return render(request, "admin/videos/apitoken/rotate.html", context, status=422 if form.errors else 200)

    def _replace_secret(self, request: HttpRequest, token: ApiToken, form: forms.Form) -> bool:
        secret = form.cleaned_data["secret"]
        check = check_secret(token, secret)
        if check.status == "refused" or (check.status == "unknown" and not form.cleaned_data["anyway"]):
            form.add_error("secret", f"Nothing was replaced. {check.message}")
            return False
        token.rotate(secret, admin_of(request))
        enqueue_drain()
        messages.success(request, f"“{token.name}” has a new secret. {check.message}")
        return True

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/test/", view(self.test_one), name="videos_apitoken_test"),
            path("<int:pk>/rotate/", view(self.rotate), name="videos_apitoken_rotate"),
            *super().get_urls(),
        ]

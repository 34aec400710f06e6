from collections.abc import Callable
from datetime import datetime

# These register the pages that are unregistered below, independent of the order of the apps.
import django.contrib.auth.admin  # noqa: F401
import django_q.admin  # noqa: F401
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Case, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_post_parameters
from django_q.models import Failure, OrmQ, Schedule, Success

from . import bulk_admin  # noqa: F401  it registers its pages
from .forms.money import CreditsField
from .jobs.adoption import NotAdopted, adopt
from .jobs.queue import enqueue_drain
from .jobs.token_check import check_secret, check_token
from .media.download import NotAllowed, origin_of
from .models import ApiToken, AuditEntry, Event, Generation, Pricing
from .models.budget import shown
from .reports import usage
from .reports.periods import DateRange

admin.site.site_header = admin.site.site_title = "Lumaweb"
admin.site.index_title = "Administration"
admin.site.unregister(Group)

TRAIL = 50  # entries on a token's page; all of them are on a page of their own

# The queue's own pages offer to run a task again and to change schedules; here the rows decide what runs.
for model in (Failure, OrmQ, Schedule, Success):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class ReadOnly:
    """Rows that only the product's own guarded steps may change: an edit here would pass by every guard."""

    def has_add_permission(self, request, obj=None) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


def when(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%-d %b %Y, %H:%M}"


def plain_secret(secret: str) -> str:
    """A token as it can be sent in a header; raise ValidationError."""
    if not (secret.isascii() and secret.isprintable() and " " not in secret):
        raise forms.ValidationError("A token has no spaces and only plain characters. Copy it again.")
    return secret


class SecretField(forms.CharField):
    """An API token that is typed in and never shown again."""

    def __init__(self, **kwargs) -> None:
        widget = forms.PasswordInput(attrs={"class": "vTextField", "autocomplete": "off", "spellcheck": "false"})
        super().__init__(strip=True, max_length=1000, widget=widget, validators=[plain_secret], **kwargs)


class ApiTokenForm(forms.ModelForm):
    secret = SecretField(
        label="Token",
        error_messages={"required": "Enter the token."},
        help_text=(
            "From the console of AceDataCloud: open the Luma videos service there, acquire it, and copy the token "
            "under “Credentials”; a new account starts with a small free quota. It is stored encrypted and never "
            "shown again."
        ),
    )
    daily_limit = CreditsField(
        label="Daily limit",
        required=False,
        help_text="How much may be sent with it in a day, in credits as the budget counts them; empty: no limit.",
    )

    class Meta:
        model = ApiToken
        fields = ("name", "base_url", "priority", "max_in_flight", "daily_limit", "enabled")

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            # Another secret is a step of its own, which asks the provider first.
            del self.fields["secret"]
        if "base_url" in self.fields:
            self.fields["base_url"].initial = settings.LUMA_BASE_URL

    def clean_base_url(self) -> str:
        address = self.cleaned_data["base_url"].rstrip("/")
        try:
            origin_of(address)
        except NotAllowed as reason:
            raise forms.ValidationError(str(reason)) from None
        return address

    def save(self, commit: bool = True) -> ApiToken:
        if secret := self.cleaned_data.get("secret"):
            self.instance.secret = secret
        return super().save(commit)

    def in_words(self) -> list[str]:
        """What was changed, each in words for the audit trail."""
        return [self._in_words(name, self.initial.get(name), self.cleaned_data[name]) for name in self.changed_data]

    def _in_words(self, name: str, before, now) -> str:
        if name == "enabled":
            return "resumed" if now else "paused"
        if name == "daily_limit":
            before, now = ("none" if amount is None else shown(amount) for amount in (before, now))
        return f"{self.fields[name].label.lower()} is now {now}, it was {before}"


class RotateForm(forms.Form):
    secret = SecretField(
        label="New token", help_text="Of the same provider and account. The old one is forgotten at once."
    )
    anyway = forms.BooleanField(
        label="Use it even if the provider cannot be asked now",
        required=False,
        help_text="One that the provider refuses is never taken.",
    )


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
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

    # A token is money. Staff who are no admins see nothing of it.
    def has_module_permission(self, request) -> bool:
        return request.user.is_active and request.user.is_superuser

    def has_view_permission(self, request, obj=None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request, obj=None) -> bool:
        return self.has_module_permission(request)

    def has_delete_permission(self, request, obj=None) -> bool:
        return self.has_module_permission(request) and not (obj and obj.generations.exists())

    def get_queryset(self, request):
        # The sums that are kept for the usage page: to count a month's rows for each would take a second at a million.
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

    @admin.display(description="ends with")
    def ends_with(self, token: ApiToken) -> str:
        return f"…{token.last_four}" if token.last_four else "—"

    @admin.display(description="health", ordering="health")
    def condition(self, token: ApiToken) -> str:
        return token.condition

    @admin.display(description="in the making", ordering="in_flight")
    def load(self, token: ApiToken) -> str:
        lowered = (
            f" (the provider allows no more; {token.max_in_flight} are set)"
            if token.limit < token.max_in_flight
            else ""
        )
        return f"{token.in_flight} of {token.limit}{lowered}"

    @admin.display(description="today", ordering="day_used")
    def today(self, token: ApiToken) -> str:
        used = token.used_today()
        return shown(used) if token.daily_limit is None else f"{shown(used)} of {shown(token.daily_limit)}"

    @admin.display(description="this month")
    def this_month(self, token: ApiToken) -> str:
        words = "1 video" if token.month_videos == 1 else f"{token.month_videos} videos"
        return f"{words}, {Pricing(currency=token.currency).amount(token.month_amount)}"

    @admin.display(description="last used")
    def last_used(self, token: ApiToken) -> str:
        return when(token.last_used_at) if token.last_used_at else "Never"

    @admin.display(description="added")
    def added(self, token: ApiToken) -> str:
        return when(token.created_at)

    def get_readonly_fields(self, request, obj=None):
        # A token belongs to one provider, and so do the videos made with it.
        return (*self.readonly_fields, "base_url") if obj else self.readonly_fields

    def get_fieldsets(self, request, obj=None):
        asked = ["name", "base_url", "priority", "max_in_flight", "daily_limit", "enabled"]
        if not obj:
            return [(None, {"fields": ["name", "secret", *asked[1:]]})]
        return [("Settings", {"fields": asked}), ("As it stands", {"fields": self.readonly_fields})]

    def changelist_view(self, request: HttpRequest, extra_context=None) -> HttpResponse:
        return super().changelist_view(request, (extra_context or {}) | {"title": "API tokens"})

    def change_view(self, request: HttpRequest, object_id: str, form_url="", extra_context=None) -> HttpResponse:
        trail = AuditEntry.objects.none()
        if object_id.isdigit() and len(object_id) < 19:
            trail = AuditEntry.objects.filter(token=object_id).select_related("by")
        trail = list(trail[: TRAIL + 1])
        context = {"title": "API token", "trail": trail[:TRAIL], "longer": len(trail) > TRAIL}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def save_model(self, request, obj, form, change) -> None:
        others = ApiToken.objects.filter(enabled=True).exclude(base_url=obj.base_url)
        held = 0
        if obj.enabled and others.exists():
            # What was asked of another cannot be claimed for this one. Everybody is to see it at once.
            held = Generation.objects.hold(but=obj.base_url)
        # Only what the form shows: the slots count on while it was open.
        if change:
            obj.save(update_fields=form.changed_data)
            for words in form.in_words():
                obj.note(request.user, words)
        else:
            obj.save()
            obj.note(request.user, f"added for {obj.base_url}")
        if obj.enabled and ApiToken.objects.pause_other_providers(obj.base_url, request.user):
            messages.warning(
                request,
                "The tokens of every other provider are paused: new videos go to one provider at a time."
                + (f" {held} queued before are held; release them among the generations." if held else ""),
            )
        enqueue_drain()

    def delete_model(self, request, obj) -> None:
        with transaction.atomic():
            obj.note(request.user, f"deleted, it was for {obj.base_url}")
            super().delete_model(request, obj)

    def delete_queryset(self, request, queryset) -> None:
        for token in queryset:
            self.delete_model(request, token)

    @admin.action(description="Pause: send nothing new", permissions=["change"])
    def pause(self, request: HttpRequest, tokens) -> None:
        paused = sum(token.set_enabled(False, request.user) for token in tokens)
        messages.success(request, f"{paused} paused. What is in the making with them goes on.")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, tokens) -> None:
        providers = set(tokens.values_list("base_url", flat=True))
        if len(providers | set(ApiToken.objects.filter(enabled=True).values_list("base_url", flat=True))) > 1:
            messages.error(request, "These would serve two providers at once. Pause the tokens of the other one first.")
            return
        resumed = sum(token.set_enabled(True, request.user) for token in tokens)
        enqueue_drain()
        messages.success(request, f"{resumed} resumed.")

    @admin.action(description="Mark as healthy and use again", permissions=["change"])
    def healthy_again(self, request: HttpRequest, tokens) -> None:
        for token in tokens:
            if not token.reenable(request.user):
                token.end_back_off(request.user)
        enqueue_drain()
        messages.success(
            request, f"{len(tokens)} marked as healthy. If the provider thinks otherwise, the next video tells."
        )

    @admin.action(description="Test: ask the provider, free of charge", permissions=["change"])
    def test(self, request: HttpRequest, tokens) -> None:
        for token in tokens[:10]:
            self._test(request, token)

    def test_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The button on a token's own page."""
        if request.method != "POST" or not self.has_change_permission(request):
            raise PermissionDenied
        self._test(request, get_object_or_404(ApiToken, pk=pk))
        return redirect("admin:videos_apitoken_change", pk)

    def _test(self, request: HttpRequest, token: ApiToken) -> None:
        check = check_token(token, request.user)
        level = {"ok": messages.SUCCESS, "refused": messages.ERROR}.get(check.status, messages.WARNING)
        token.note(request.user, f"tested. {check.message}")
        messages.add_message(request, level, f"“{token.name}”: {check.message}")

    @method_decorator(sensitive_post_parameters())
    def rotate(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A new secret for the same token. The provider is asked first, and one it refuses is not taken."""
        if request.method not in ("GET", "POST") or not self.has_change_permission(request):
            raise PermissionDenied
        token = get_object_or_404(ApiToken, pk=pk)
        form = RotateForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            check = check_secret(token, form.cleaned_data["secret"])
            if check.status == "ok" or (check.status == "unknown" and form.cleaned_data["anyway"]):
                token.rotate(form.cleaned_data["secret"], request.user)
                enqueue_drain()
                messages.success(request, f"“{token.name}” has a new secret. {check.message}")
                return redirect("admin:videos_apitoken_change", pk)
            form.add_error("secret", f"Nothing was replaced. {check.message}")
        context = self.admin_site.each_context(request) | {
            "form": form,
            "title": f"A new secret for “{token.name}”",
            "token": token,
            "opts": self.opts,
        }
        return render(request, "admin/videos/apitoken/rotate.html", context, status=422 if form.errors else 200)

    def get_urls(self):
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/test/", view(self.test_one), name="videos_apitoken_test"),
            path("<int:pk>/rotate/", view(self.rotate), name="videos_apitoken_rotate"),
            *super().get_urls(),
        ]


class EventInline(ReadOnly, admin.TabularInline):
    model = Event
    fields = readonly_fields = ("at", "kind", "member", "text", "code", "trace_id")
    extra = 0


def without_token(request: HttpRequest, columns: tuple) -> tuple:
    return columns if request.user.is_superuser else tuple(name for name in columns if name != "token")


class AdoptForm(forms.Form):
    task_id = forms.CharField(
        label="Task id",
        max_length=300,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off", "spellcheck": "false"}),
        help_text="As the provider's console or its answer shows it.",
    )


class ActionFilter(admin.SimpleListFilter):
    """Django's own looks through all rows for the values there are."""

    title = parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin) -> list[tuple[str, str]]:
        return [("generate", "generate"), ("extend", "extend")]

    def queryset(self, request: HttpRequest, queryset):
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(Generation)
class GenerationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("created_at", "state", "archive", "member", "token", "task_id", "error_code", "held_at")
    list_filter = ("state", ("held_at", admin.EmptyFieldListFilter), "archive", ActionFilter, "token")
    show_full_result_count = False
    actions = ("release", "save_again")
    search_fields = ("uuid", "task_id", "video_id", "trace_id")
    exclude = ("callback_key_hash",)
    inlines = (EventInline,)

    # Staff who are no admins see nothing of the tokens, not even their names here.
    def get_list_display(self, request: HttpRequest):
        return without_token(request, self.list_display)

    def get_list_filter(self, request: HttpRequest):
        return without_token(request, self.list_filter)

    def get_exclude(self, request: HttpRequest, obj=None):
        return self.exclude if request.user.is_superuser else (*self.exclude, "token")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        about_a_token = lookup.partition("__")[0] == "token"
        if about_a_token and not (request and request.user.is_superuser):
            return False
        return super().lookup_allowed(lookup, value, request)

    # Rows are not edited here; these are guarded steps of their own, and for admins only.
    def has_step_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_superuser

    @admin.action(description="Save again (where it could not be saved)", permissions=["step"])
    def save_again(self, request: HttpRequest, generations) -> None:
        chosen = list(generations)
        again = sum(generation.save_again(request.user) for generation in chosen)
        messages.success(request, f"{again} of {len(chosen)} are being saved again.")

    @admin.action(description="Release and send", permissions=["step"])
    def release(self, request: HttpRequest, generations) -> None:
        chosen = list(generations)
        released = sum(generation.release(request.user) for generation in chosen)
        self._say_released(request, released)
        if untouched := len(chosen) - released:
            messages.info(request, f"{untouched} of those chosen are not held, so nothing was done with them.")

    def release_all(self, request: HttpRequest) -> HttpResponse:
        """Send everything a restore brought back as unsent."""
        self._require_step(request, "POST")
        released = sum(generation.release(request.user) for generation in Generation.objects.held().order_by("pk"))
        self._say_released(request, released)
        return redirect("admin:videos_generation_changelist")

    def adopt(self, request: HttpRequest) -> HttpResponse:
        """Take a task of the provider's into the history by its id."""
        self._require_step(request, "GET", "POST")
        form = AdoptForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                adoption = adopt(form.cleaned_data["task_id"], request.user)
            except NotAdopted as reason:
                form.add_error("task_id", str(reason))
            else:
                place = reverse("admin:videos_generation_change", args=[adoption.generation.pk])
                messages.success(request, format_html('{} <a href="{}">Look at it</a>', adoption.message, place))
                return redirect("admin:videos_generation_adopt")
        context = self.admin_site.each_context(request) | {"form": form, "title": "Adopt a task", "opts": self.opts}
        status = 422 if form.errors else 200
        return render(request, "admin/videos/generation/adopt.html", context, status=status)

    def get_urls(self):
        view = self.admin_site.admin_view
        return [
            path("adopt/", view(self.adopt), name="videos_generation_adopt"),
            path("release/", view(self.release_all), name="videos_generation_release"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context=None) -> HttpResponse:
        steps = {"may_step": self.has_step_permission(request), "held": Generation.objects.held().count()}
        return super().changelist_view(request, (extra_context or {}) | steps)

    def _require_step(self, request: HttpRequest, *methods: str) -> None:
        if request.method not in methods or not self.has_step_permission(request):
            raise PermissionDenied

    def _say_released(self, request: HttpRequest, released: int) -> None:
        if released:
            enqueue_drain()
        messages.success(request, f"{released} released. Each is sent as soon as it is its turn.")


@admin.register(Event)
class EventAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("at", "kind", "generation_id", "member", "text", "code", "trace_id")
    list_filter = ("kind",)

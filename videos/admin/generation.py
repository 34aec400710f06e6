"""Videos, with the guarded steps that only admins take: save again, release after a restore, and adopt."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from ..jobs.adoption import NotAdopted, adopt
from ..jobs.queue import enqueue_drain
from ..models import Generation
from .access import ReadOnly, admin_of, is_admin
from .event import EventInline


class AdoptForm(forms.Form):
    task_id = forms.CharField(
        label="Task ID",
        max_length=300,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off", "spellcheck": "false"}),
        help_text="As shown in the provider's console or in its response.",
    )


class ActionFilter(admin.SimpleListFilter):
    """Filter by action without reading every row for its values, as Django's own filter does."""

    title = parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("generate", "generate"), ("extend", "extend")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(action=self.value()) if self.value() else queryset


def _without_token(request: HttpRequest, columns: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(name for name in columns if name != "token" or request.user.is_superuser)


@admin.register(Generation)
class GenerationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("created_at", "state", "archive", "member", "token", "task_id", "error_code", "held_at")
    list_filter = ("state", ("held_at", admin.EmptyFieldListFilter), "archive", ActionFilter, "token")
    show_full_result_count = False
    actions = ("release", "save_again")
    search_fields = ("uuid", "task_id", "video_id", "trace_id")
    exclude = ("callback_key_hash",)
    inlines = (EventInline,)

    # Staff who are not admins see nothing of the API tokens, not even their names.
    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        return _without_token(request, self.list_display)

    def get_list_filter(self, request: HttpRequest) -> tuple[Any, ...]:
        return _without_token(request, self.list_filter)

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.exclude if request.user.is_superuser else (*self.exclude, "token")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        is_about_token = lookup.partition("__")[0] == "token"
        if is_about_token and not request.user.is_superuser:
            return False
        return super().lookup_allowed(lookup, value, request)

    def has_step_permission(self, request: HttpRequest) -> bool:
        """Rows are not edited here; admins may take these guarded steps. Django calls this for the actions."""
        return is_admin(request)

    @admin.action(description="Save again (if saving failed)", permissions=["step"])
    def save_again(self, request: HttpRequest, generations: QuerySet[Generation]) -> None:
        chosen = list(generations)
        saving = sum(generation.save_again(admin_of(request)) for generation in chosen)
        messages.success(request, f"Saving {saving} of {len(chosen)} videos again.")

    @admin.action(description="Release and send", permissions=["step"])
    def release(self, request: HttpRequest, generations: QuerySet[Generation]) -> None:
        chosen = list(generations)
        released = sum(generation.release(admin_of(request)) for generation in chosen)
        self._after_release(request, released)
        if skipped := len(chosen) - released:
            messages.info(request, f"{skipped} of the selected videos were not held, so nothing changed for them.")

    def release_all(self, request: HttpRequest) -> HttpResponse:
        """Send every held video."""
        self._require_step(request, "POST")
        held = Generation.objects.held().order_by("pk")
        self._after_release(request, sum(generation.release(admin_of(request)) for generation in held))
        return redirect("admin:videos_generation_changelist")

    def adopt(self, request: HttpRequest) -> HttpResponse:
        """Add one of the provider's tasks to the history by its ID."""
        self._require_step(request, "GET", "POST")
        form = AdoptForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                adoption = adopt(form.cleaned_data["task_id"], admin_of(request))
            except NotAdopted as reason:
                form.add_error("task_id", str(reason))
            else:
                url = reverse("admin:videos_generation_change", args=[adoption.generation.pk])
                messages.success(request, format_html('{} <a href="{}">View it</a>', adoption.message, url))
                return redirect("admin:videos_generation_adopt")
        context = self.admin_site.each_context(request) | {"form": form, "title": "Adopt a task", "opts": self.opts}
        status = 422 if form.errors else 200
        return render(request, "admin/videos/generation/adopt.html", context, status=status)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("adopt/", view(self.adopt), name="videos_generation_adopt"),
            path("release/", view(self.release_all), name="videos_generation_release"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {
            "may_step": self.has_step_permission(request),
            "held": Generation.objects.held().count(),
            "held_since_restore": Generation.objects.held_since_restore().count(),
        }
        return super().changelist_view(request, (extra_context or {}) | context)

    def _require_step(self, request: HttpRequest, *methods: str) -> None:
        if request.method not in methods or not self.has_step_permission(request):
            raise PermissionDenied

    def _after_release(self, request: HttpRequest, released: int) -> None:
        if released:
            enqueue_drain()
        messages.success(request, f"{released} released. Each is sent when its turn comes.")

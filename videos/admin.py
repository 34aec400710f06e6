from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django_q.models import Failure, OrmQ, Schedule, Success

from .download import NotAllowed, origin_of
from .models import ApiToken, Event, Generation, Health
from .tasks import NotAdopted, adopt, submit_later, try_token

admin.site.site_header = admin.site.site_title = "Lumaweb"
admin.site.index_title = "Administration"
admin.site.unregister(Group)

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


class ApiTokenForm(forms.ModelForm):
    secret = forms.CharField(
        label="Token",
        strip=True,
        required=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=(
            "From the console of AceDataCloud: open the Luma videos service there, acquire it, and copy the token "
            "under “Credentials”; a new account starts with a small free quota. It is stored encrypted and never "
            "shown again. Leave this empty to keep the one that is stored."
        ),
    )

    class Meta:
        model = ApiToken
        fields = ("name", "secret", "base_url", "priority", "max_in_flight", "enabled")

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if "base_url" in self.fields:
            self.fields["base_url"].initial = settings.LUMA_BASE_URL

    def clean_secret(self) -> str:
        secret = self.cleaned_data["secret"]
        if not secret and not self.instance.pk:
            raise forms.ValidationError("Enter the token.")
        if secret and not (secret.isascii() and secret.isprintable() and " " not in secret):
            raise forms.ValidationError("A token has no spaces and only plain characters. Copy it again.")
        return secret

    def clean_base_url(self) -> str:
        address = self.cleaned_data["base_url"].rstrip("/")
        try:
            origin_of(address)
        except NotAllowed as reason:
            raise forms.ValidationError(str(reason)) from None
        return address

    def save(self, commit: bool = True) -> ApiToken:
        if secret := self.cleaned_data["secret"]:
            self.instance.secret = secret
            # A new secret deserves a new chance.
            self.instance.health, self.instance.limited_until, self.instance.last_error = Health.OK, None, ""
        return super().save(commit)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    form = ApiTokenForm
    list_display = (
        "name",
        "ends_with",
        "base_url",
        "condition",
        "load",
        "priority",
        "last_used_at",
        "last_error",
    )
    readonly_fields = (
        "ends_with",
        "condition",
        "last_error",
        "load",
        "last_used_at",
        "created_at",
    )
    actions = ("pause", "resume", "healthy_again", "test")

    @admin.display(description="ends with")
    def ends_with(self, token: ApiToken) -> str:
        return f"…{token.last_four}" if token.last_four else "—"

    @admin.display(description="health", ordering="health")
    def condition(self, token: ApiToken) -> str:
        return token.condition

    @admin.display(description="in the making", ordering="in_flight")
    def load(self, token: ApiToken) -> str:
        return f"{token.in_flight} of {token.max_in_flight}"

    def get_readonly_fields(self, request, obj=None):
        # A token belongs to one provider, and so do the videos made with it.
        return (*self.readonly_fields, "base_url") if obj else self.readonly_fields

    def get_fields(self, request, obj=None):
        asked = ["name", "secret", "base_url", "priority", "max_in_flight", "enabled"]
        return [*asked, *self.readonly_fields] if obj else asked

    def has_delete_permission(self, request, obj=None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.generations.exists())

    def save_model(self, request, obj, form, change) -> None:
        # Only what the form shows: the slots count on while it was open.
        if change:
            changed = [name for name in form.changed_data if name != "secret"]
            if "secret" in form.changed_data:
                changed += ["encrypted", "last_four", "health", "limited_until", "last_error"]
            obj.save(update_fields=changed)
        else:
            obj.save()
        if obj.enabled and ApiToken.objects.sole_provider(obj.base_url):
            held = Generation.objects.hold()
            messages.warning(
                request,
                "The tokens of every other provider are paused: new videos go to one provider at a time."
                + (f" {held} queued before are held; release them among the generations." if held else ""),
            )
        submit_later()

    @admin.action(description="Pause: send nothing new", permissions=["change"])
    def pause(self, request: HttpRequest, tokens) -> None:
        paused = tokens.filter(enabled=True).update(enabled=False)
        messages.success(request, f"{paused} paused. What is in the making with them goes on.")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, tokens) -> None:
        providers = set(tokens.values_list("base_url", flat=True))
        if len(providers | set(ApiToken.objects.filter(enabled=True).values_list("base_url", flat=True))) > 1:
            messages.error(request, "These would serve two providers at once. Pause the tokens of the other one first.")
            return
        resumed = tokens.filter(enabled=False).update(enabled=True)
        submit_later()
        messages.success(request, f"{resumed} resumed.")

    @admin.action(description="Mark as healthy and use again", permissions=["change"])
    def healthy_again(self, request: HttpRequest, tokens) -> None:
        marked = tokens.update(health=Health.OK, limited_until=None, last_error="")
        submit_later()
        messages.success(
            request, f"{marked} marked as healthy. If the provider thinks otherwise, the next video tells."
        )

    @admin.action(description="Test: ask the provider, free of charge", permissions=["change"])
    def test(self, request: HttpRequest, tokens) -> None:
        for token in tokens[:10]:
            self._test(request, token)

    def test_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The button on a token's own page."""
        token = get_object_or_404(ApiToken, pk=pk)
        if request.method != "POST" or not self.has_change_permission(request, token):
            raise PermissionDenied
        self._test(request, token)
        return redirect("admin:videos_apitoken_change", pk)

    def _test(self, request: HttpRequest, token: ApiToken) -> None:
        outcome = try_token(token)
        level = {"ok": messages.SUCCESS, "refused": messages.ERROR}.get(outcome.verdict, messages.WARNING)
        messages.add_message(request, level, f"“{token.name}”: {outcome.words}")

    def get_urls(self):
        view = self.admin_site.admin_view(self.test_one)
        return [path("<int:pk>/test/", view, name="videos_apitoken_test"), *super().get_urls()]


class EventInline(ReadOnly, admin.TabularInline):
    model = Event
    fields = readonly_fields = ("at", "kind", "member", "text", "code", "trace_id")
    extra = 0


class AdoptForm(forms.Form):
    task_id = forms.CharField(
        label="Task id",
        max_length=300,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off", "spellcheck": "false"}),
        help_text="As the provider's console or its answer shows it.",
    )


@admin.register(Generation)
class GenerationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("created_at", "state", "archive", "member", "token", "task_id", "error_code", "held_at")
    list_filter = ("state", ("held_at", admin.EmptyFieldListFilter), "archive", "action", "token")
    actions = ("release", "save_again")
    search_fields = ("uuid", "task_id", "video_id", "trace_id")
    exclude = ("callback_key_hash",)
    inlines = (EventInline,)

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
        submit_later()
        self._say_released(request, released)
        if untouched := len(chosen) - released:
            messages.info(request, f"{untouched} of those chosen are not held, so nothing was done with them.")

    def release_all(self, request: HttpRequest) -> HttpResponse:
        """Send everything a restore brought back as unsent."""
        self._require_step(request, "POST")
        released = sum(generation.release(request.user) for generation in Generation.objects.held().order_by("pk"))
        submit_later()
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
                messages.success(request, format_html('{} <a href="{}">Look at it</a>', adoption.words, place))
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
        messages.success(request, f"{released} released. Each is sent as soon as it is its turn.")


@admin.register(Event)
class EventAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("at", "kind", "generation_id", "member", "text", "code", "trace_id")
    list_filter = ("kind",)

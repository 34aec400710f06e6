from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django_q.models import Failure, OrmQ, Schedule, Success

from .download import NotAllowed, origin_of
from .models import ApiToken, Event, Generation, Health, Member
from .tasks import submit_later

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
        "enabled",
        "health",
        "in_flight",
        "priority",
        "last_used_at",
    )
    readonly_fields = (
        "ends_with",
        "health",
        "limited_until",
        "last_error",
        "in_flight",
        "last_used_at",
        "created_at",
    )
    actions = ("healthy_again",)

    @admin.display(description="ends with")
    def ends_with(self, token: ApiToken) -> str:
        return f"…{token.last_four}" if token.last_four else "—"

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
        submit_later()

    @admin.action(description="Mark as healthy and use again")
    def healthy_again(self, request, tokens) -> None:
        tokens.update(health=Health.OK, limited_until=None, last_error="")
        submit_later()


@admin.register(Member)
class MemberAdmin(UserAdmin):
    list_display = ("username", "email", "first_name", "last_name", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Role", {"fields": ("is_active", "is_superuser", "is_staff")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    filter_horizontal = ()


class EventInline(ReadOnly, admin.TabularInline):
    model = Event
    fields = readonly_fields = ("at", "kind", "member", "text", "code", "trace_id")
    extra = 0


@admin.register(Generation)
class GenerationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("created_at", "state", "archive", "member", "token", "task_id", "error_code")
    list_filter = ("state", "archive", "action", "token")
    search_fields = ("uuid", "task_id", "video_id", "trace_id")
    exclude = ("callback_key_hash",)
    inlines = (EventInline,)


@admin.register(Event)
class EventAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("at", "kind", "generation_id", "member", "text", "code", "trace_id")
    list_filter = ("kind",)

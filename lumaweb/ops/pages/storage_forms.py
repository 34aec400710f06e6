"""The forms of the storage page."""

from decimal import Decimal
from typing import Any

from django import forms
from django.db import transaction
from django.template.defaultfilters import filesizeformat

from videos.models import AuditEntry, Generation, Member, StoragePolicy

GB = 1024**3


class PolicyForm(forms.ModelForm):
    """A part of the storage policy."""

    class Meta:
        model = StoragePolicy
        fields: tuple[str, ...] = ()

    def save_by(self, admin: Member) -> bool:
        """Save what changed and record it in the audit log; return whether anything changed."""
        fields = [name for name in self._meta.fields or () if name in self.changed_data]
        if not fields:
            return False
        with transaction.atomic():
            StoragePolicy.objects.update_or_create(pk=1, defaults={name: self.cleaned_data[name] for name in fields})
            for name in fields:
                AuditEntry.objects.record(admin, f"Storage: {self.describe(name, self.cleaned_data[name])}.")
        return True

    def describe(self, name: str, value: Any) -> str:
        return f"{str(self.fields[name].label).lower()} is now {value}"


class GigabytesField(forms.DecimalField):
    """A size in GB with up to three decimals; cleans to bytes, or None if it is empty."""

    def clean(self, value: Any) -> int | None:
        size = super().clean(value)
        return None if size is None else round(size * GB)

    def prepare_value(self, value: Any) -> Any:
        return in_gigabytes(value) if isinstance(value, int) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(None if initial is None else Decimal(in_gigabytes(initial)), data)


def in_gigabytes(size: int) -> str:
    """Return a size in bytes as GB with up to three decimals."""
    number = f"{Decimal(size) / GB:.3f}"
    return number.rstrip("0").rstrip(".")


class LimitsForm(PolicyForm):
    """How long the trash keeps videos, and the quota."""

    trash_days = forms.IntegerField(label="Days in the trash", min_value=1, max_value=3650)
    quota_bytes = GigabytesField(
        label="Quota in GB", required=False, min_value=Decimal("0.001"), max_value=10_000_000, decimal_places=3
    )
    confirm = forms.BooleanField(required=False)

    class Meta:
        model = StoragePolicy
        fields = ("trash_days", "quota_bytes")

    deleted_at_once = 0

    def clean(self) -> dict[str, Any] | None:
        """Require a confirmation if fewer days delete videos at once."""
        days, current = self.cleaned_data.get("trash_days"), StoragePolicy.current()
        if days and days < current.trash_days:
            shorter = Generation.objects.worth_purging(StoragePolicy(trash_days=days)).count()
            self.deleted_at_once = shorter - Generation.objects.worth_purging(current).count()
            if self.deleted_at_once and not self.cleaned_data.get("confirm"):
                self.add_error("trash_days", "Confirm that these videos are deleted permanently.")
        return super().clean()

    def describe(self, name: str, value: Any) -> str:
        if name == "quota_bytes":
            return "no quota" if value is None else f"the quota is now {filesizeformat(value)}"
        return f"videos stay in the trash for {value} days"


class ScheduleForm(PolicyForm):
    """When backups are made, and how many are kept."""

    backup_at = forms.TimeField(label="Every day at", widget=forms.TimeInput(format="%H:%M"))
    keep_daily = forms.IntegerField(label="Daily backups to keep", min_value=1, max_value=366)
    keep_weekly = forms.IntegerField(label="Weekly backups to keep", min_value=0, max_value=260)

    class Meta:
        model = StoragePolicy
        fields = ("backup_at", "keep_daily", "keep_weekly")

    def describe(self, name: str, value: Any) -> str:
        if name == "backup_at":
            return f"backups are made at {value:%H:%M}"
        return f"{value} {'daily' if name == 'keep_daily' else 'weekly'} backups are kept"


class RejectedForm(PolicyForm):
    """After how many days rejected videos move to the trash."""

    rejected_days = forms.IntegerField(label="Days after the rejection", min_value=1, max_value=3650, required=False)

    class Meta:
        model = StoragePolicy
        fields = ("rejected_days",)

    def describe(self, name: str, value: Any) -> str:
        if value is None:
            return "rejected videos stay"
        return f"rejected videos that nobody uses move to the trash after {value} days"


class DownloadForm(forms.Form):
    """The admin's password, before a backup is downloaded."""

    password = forms.CharField(label="Your password", strip=False)

    def __init__(self, *args: Any, admin: Member, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._admin = admin

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not self._admin.check_password(password):
            raise forms.ValidationError("This is not your password.", code="wrong")
        return password

"""The filters of the audit log."""

from typing import Any

from django import forms

from ..limits import SEARCH_LENGTH
from ..models import AuditEntry, Member
from ..models.audit import AuditEntryQuerySet
from ..models.generation.queryset import midnight
from .usage import ONE_DAY, validate_year

AUTOMATIC = "lumaweb"


class AuditFilterForm(forms.Form):
    """Who changed something, when, and words of the change; empty: all entries."""

    q = forms.CharField(label="Words", required=False, max_length=SEARCH_LENGTH)
    by = forms.ChoiceField(label="Changed by", required=False)
    since = forms.DateField(label="First day", required=False, validators=[validate_year])
    until = forms.DateField(label="Last day", required=False, validators=[validate_year])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        who = Member.objects.filter(changes_made__isnull=False).distinct().order_by("username")
        members = [(f"member-{pk}", username) for pk, username in who.values_list("pk", "username")]
        self.fields["by"].choices = [("", "Anyone"), (AUTOMATIC, "Lumaweb"), *members]  # type: ignore[attr-defined]  # of ChoiceField

    def entries(self) -> AuditEntryQuerySet:
        """Return the entries that match, latest first; an invalid value filters nothing."""
        self.is_valid()
        found, values = AuditEntry.objects.all(), self.cleaned_data
        if words := values.get("q"):
            found = found.filter(text__icontains=words)
        if by := values.get("by"):
            found = found.filter(by=None if by == AUTOMATIC else by.removeprefix("member-"))
        if since := values.get("since"):
            found = found.filter(at__gte=midnight(since))
        if until := values.get("until"):
            found = found.filter(at__lt=midnight(until + ONE_DAY))
        return found

    @property
    def query(self) -> dict[str, str]:
        """The values of the fields that are set, for links."""
        values = {name: str(self.data.get(name, "")).strip() for name in self.fields}
        return {name: value for name, value in values.items() if value}

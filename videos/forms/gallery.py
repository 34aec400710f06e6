"""The filters of the gallery."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.utils.functional import cached_property

from ..limits import SEARCH_LENGTH
from ..models import Collection, Filters, Member
from ..models.generation.filters import MODES, STATES
from ..provider import ASPECT_RATIOS
from .usage import validate_year


def _choices(values: Iterable[str]) -> list[tuple[str, str]]:
    return [(value, value) for value in values]


class FilterForm(forms.Form):
    """The filters in the gallery's query string. An invalid value filters nothing; the others apply."""

    q = forms.CharField(required=False, max_length=SEARCH_LENGTH, strip=True)
    member = forms.ModelChoiceField(Member.objects.order_by("username"), required=False, to_field_name="username")
    collection = forms.ModelChoiceField(Collection.objects.all(), required=False, to_field_name="uuid")
    mode = forms.ChoiceField(choices=_choices(MODES), required=False)
    ratio = forms.ChoiceField(choices=_choices(ASPECT_RATIOS), required=False)
    state = forms.ChoiceField(choices=_choices(STATES), required=False)
    since = forms.DateField(required=False, validators=[validate_year])
    until = forms.DateField(required=False, validators=[validate_year])
    starred = forms.BooleanField(required=False)
    choice = forms.ChoiceField(choices=_choices(["picked", "rejected"]), required=False)

    def filters(self, member: Member) -> Filters:
        """Return the valid filters; `member` is the reader, whose stars count."""
        self.is_valid()
        values = self.cleaned_data
        return Filters(
            words=values.get("q", ""),
            member=values["member"].pk if values.get("member") else None,
            collection=values["collection"].pk if values.get("collection") else None,
            mode=values.get("mode", ""),
            ratio=values.get("ratio", ""),
            state=values.get("state", ""),
            since=values.get("since"),
            until=values.get("until"),
            starred_by=member.pk if values.get("starred") else None,
            choice=values.get("choice", ""),
        )

    def query(self, **changes: str) -> str:
        """Return the filters with these changes as a query string; "" without any."""
        values: dict[str, Any] = self._values | changes
        return urlencode({name: value for name, value in values.items() if value})

    @cached_property
    def _values(self) -> dict[str, str]:
        # Cached, as a page has some eighty links with these values.
        return {name: str(self.data.get(name, "")).strip() for name in self.fields if name not in self.errors}

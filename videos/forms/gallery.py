"""What a member wants to see."""

from urllib.parse import urlencode

from django import forms
from django.utils.functional import cached_property

from ..models import Collection, Filters, Member
from ..models.generation.filters import MODES, STATES
from ..provider import ASPECT_RATIOS
from .usage import when_there_may_be_videos

WORDS_AT_MOST = 200


def _known(words) -> list[tuple[str, str]]:
    return [(word, word) for word in words]


class FilterForm(forms.Form):
    """The filters of the gallery, as they stand in its URL.

    What cannot be read asks for nothing; its field says so in `errors`. The others count all the same.
    """

    q = forms.CharField(required=False, max_length=WORDS_AT_MOST, strip=True)
    member = forms.ModelChoiceField(Member.objects.order_by("username"), required=False, to_field_name="username")
    collection = forms.ModelChoiceField(Collection.objects.all(), required=False, to_field_name="uuid")
    mode = forms.ChoiceField(choices=_known(MODES), required=False)
    ratio = forms.ChoiceField(choices=_known(ASPECT_RATIOS), required=False)
    state = forms.ChoiceField(choices=_known(STATES), required=False)
    since = forms.DateField(required=False, validators=[when_there_may_be_videos])
    until = forms.DateField(required=False, validators=[when_there_may_be_videos])
    starred = forms.BooleanField(required=False)
    choice = forms.ChoiceField(choices=_known(["picked", "rejected"]), required=False)

    def filters(self, member) -> Filters:
        """What is asked for; `member` is who looks."""
        self.is_valid()
        asked = self.cleaned_data
        return Filters(
            words=asked.get("q", ""),
            member=asked["member"].pk if asked.get("member") else None,
            collection=asked["collection"].pk if asked.get("collection") else None,
            mode=asked.get("mode", ""),
            ratio=asked.get("ratio", ""),
            state=asked.get("state", ""),
            since=asked.get("since"),
            until=asked.get("until"),
            starred_by=member.pk if asked.get("starred") else None,
            choice=asked.get("choice", ""),
        )

    def query(self, **instead: str) -> str:
        """The filters as a query string, each only where it asks for something; "" for none."""
        asked = self._asked | instead
        return urlencode({name: value for name, value in asked.items() if value})

    @cached_property
    def _asked(self) -> dict[str, str]:
        # Each link of the page's filters is one of these with a value changed.
        return {name: str(self.data.get(name, "")).strip() for name in self.fields if name not in self.errors}

"""Share links."""

from typing import Any

from django import forms

from ..models import Generation, Member, Share
from ..models.share import DAYS


class ShareForm(forms.Form):
    """What a link shows, and for how long it is valid."""

    chain = forms.BooleanField(required=False)
    days = forms.TypedChoiceField(
        coerce=int,
        choices=[(days, f"{days} day{'' if days == 1 else 's'}") for days in DAYS],
        initial=7,
        error_messages={"invalid_choice": "Choose 1, 7, 30 or 90 days."},
    )
    with_prompt = forms.BooleanField(required=False)

    def __init__(self, *args: Any, generation: Generation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.generation = generation

    def clean_chain(self) -> bool:
        # The first video of a chain has no ancestors to show.
        return self.cleaned_data["chain"] and bool(self.generation.parent_id)

    def save(self, member: Member) -> Share | None:
        """Create the link; None if the video is not saved, or was trashed meanwhile."""
        return Share.objects.create_for(self.generation, member, **self.cleaned_data)

from django import forms

from ..models import Generation, Member, Share
from ..models.share import DAYS


class ShareForm(forms.Form):
    """What a link shows, and for how long."""

    chain = forms.BooleanField(required=False)
    days = forms.TypedChoiceField(
        coerce=int,
        choices=[(days, f"{days} day{'' if days == 1 else 's'}") for days in DAYS],
        initial=7,
        error_messages={"invalid_choice": "Choose how many days it is good for: 1, 7, 30 or 90."},
    )
    with_prompt = forms.BooleanField(required=False)

    def __init__(self, *args, generation: Generation, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.generation = generation

    def clean_chain(self) -> bool:
        # The first clip of a chain has nothing before it.
        return self.cleaned_data["chain"] and bool(self.generation.parent_id)

    def save(self, member: Member) -> Share | None:
        """The new link; None where the video is not saved here, or was thrown away meanwhile."""
        return Share.objects.make(self.generation, member, **self.cleaned_data)

"""Share links."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from ..limits import MAX_SHARED, SHARE_TITLE_LENGTH
from ..models import Collection, Generation, Member, Share
from ..models.share import DAYS
from .fields import single_line

# What clients other than a browser send for a switch that is off.
OFF = ("", "0", "false", "no", "off")


class SwitchInput(forms.CheckboxInput):
    def value_from_datadict(self, data: Mapping[str, Any], files: object, name: str) -> bool:
        return data.get(name, "").strip().lower() not in OFF


class Switch(forms.BooleanField):
    """A checkbox for which a script may also send a word for off: Django counts any text but "false" as on."""

    widget = SwitchInput

    def __init__(self) -> None:
        super().__init__(required=False)


class LinkForm(forms.Form):
    """What every link for guests has."""

    title = forms.CharField(
        required=False,
        max_length=SHARE_TITLE_LENGTH,
        error_messages={"max_length": f"The title is longer than {SHARE_TITLE_LENGTH} characters."},
    )
    days = forms.TypedChoiceField(
        coerce=int,
        choices=[(days, f"{days} day{'' if days == 1 else 's'}") for days in DAYS],
        initial=7,
        error_messages={
            "invalid_choice": "Choose 1, 7, 30 or 90 days.",
            "required": "Choose after how many days the link expires: 1, 7, 30 or 90.",
        },
    )
    with_prompt = Switch()
    download = Switch()

    def clean_title(self) -> str:
        return single_line(self.cleaned_data["title"])

    @property
    def problem(self) -> str:
        """All errors in one line."""
        return " ".join(str(error) for errors in self.errors.values() for error in errors)


class ShareForm(LinkForm):
    """What a link to one video shows, and for how long it is valid."""

    chain = Switch()

    def __init__(self, *args: Any, generation: Generation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.generation = generation

    def clean_chain(self) -> bool:
        # The first video of a chain has no ancestors to show.
        return self.cleaned_data["chain"] and bool(self.generation.parent_id)

    def clean_download(self) -> bool:
        # Before there was a choice, every link to one video offered the download.
        return "download" not in self.data or self.cleaned_data["download"]

    def save(self, member: Member) -> Share | None:
        """Create the link; None if the video is not saved, or was trashed meanwhile."""
        return Share.objects.create_for(self.generation, member, **self.cleaned_data)


class ShareVideosForm(LinkForm):
    """What a link to several videos shows: the videos, or what is in their collection at each visit."""

    follow = Switch()

    def __init__(
        self, *args: Any, videos: Sequence[Generation], collection: Collection | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.videos, self.collection = videos, collection

    def clean_follow(self) -> bool:
        return bool(self.collection) and self.cleaned_data["follow"]

    def clean(self) -> None:
        if not self.videos:
            raise forms.ValidationError("None of these videos is saved, so there is nothing to share yet.")
        if len(self.videos) > MAX_SHARED:
            raise forms.ValidationError(too_many(len(self.videos)))

    def save(self, member: Member) -> Share | None:
        """Create the link; None if all videos were trashed meanwhile."""
        terms = {name: value for name, value in self.cleaned_data.items() if name != "follow"}
        return Share.objects.create_for_videos(
            self.videos, member, collection=self.collection, follows=self.cleaned_data["follow"], **terms
        )


def too_many(count: int) -> str:
    return f"A link can show at most {MAX_SHARED} videos, and these are {count:,}. Share fewer at a time."

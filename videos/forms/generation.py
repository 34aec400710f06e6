"""The form for new videos and extensions. It validates; `videos.creation` creates, `videos.frames` stores."""

import re
import unicodedata
import uuid
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.functional import cached_property

from .. import frames, limits
from ..creation import VideoRequest
from ..media.decoding.errors import Busy
from ..models import Allowance, AlreadyRequested, Frame, Generation, Member
from ..models.state import REQUEST
from ..provider import ASPECT_RATIOS, Request
from .estimate import Estimate
from .examples import example_request
from .fields import CONTROL_CHARACTERS, CollectionField, PublicLinkField

MODES = ("text", "frames", "extend")
# The code of the error of an extension of nothing.
NO_SOURCE = "no_source"
# What the form keeps while a video to extend is chosen.
KEPT = (
    "prompt",
    "several",
    "count",
    "collection",
    "loop",
    "enhancement",
    "timeout",
    "start_image_url",
    "end_image_url",
)
ON, OFF = ("1", "true", "on", "yes"), ("0", "false", "off", "no")


class GenerationForm(forms.Form):
    """A generation or an extension. The field names are the provider's.

    An uploaded picture is in `pictures` when it is valid, even if another field is not, so that its view can store it
    and nobody has to choose it again: `start_frame` and `end_frame` name stored frames.
    """

    submission_key = forms.UUIDField(required=False)
    form = forms.CharField(required=False)
    mode = forms.ChoiceField(choices=[(mode, mode) for mode in MODES], required=False)
    action = forms.ChoiceField(
        choices=[("generate", "generate"), ("extend", "extend")],
        required=False,
        error_messages={"invalid_choice": "The action is either generate or extend."},
    )
    several = forms.BooleanField(required=False)  # cleaned before the prompt, whose lines it makes separate prompts
    prompt = forms.CharField(required=False, strip=True)
    aspect_ratio = forms.ChoiceField(
        choices=[(ratio, ratio) for ratio in ASPECT_RATIOS],
        required=False,
        error_messages={"invalid_choice": f"Choose one of {', '.join(ASPECT_RATIOS)}."},
    )
    start_image = forms.FileField(required=False, allow_empty_file=True)
    end_image = forms.FileField(required=False, allow_empty_file=True)
    start_image_url = PublicLinkField()
    end_image_url = PublicLinkField()
    start_frame = forms.UUIDField(required=False)
    end_frame = forms.UUIDField(required=False)
    enhancement = forms.CharField(required=False)
    loop = forms.CharField(required=False)
    timeout = forms.CharField(required=False)
    count = forms.CharField(required=False)
    again = forms.BooleanField(required=False)  # set by "Make another", beside the equal requests
    video_id = forms.CharField(required=False, max_length=200)
    video_url = PublicLinkField()
    collection = CollectionField()

    def __init__(self, data: Any = None, files: Any = None, *, member: Member, **kwargs: Any) -> None:
        initial = {
            "submission_key": uuid.uuid4(),
            "mode": "text",
            "action": "generate",
            "aspect_ratio": limits.DEFAULT_ASPECT_RATIO,
            "enhancement": True,
            "loop": False,
            "timeout": limits.DEFAULT_TIMEOUT,
            "count": 1,
        } | kwargs.pop("initial", {})
        super().__init__(data, files, initial=initial, **kwargs)
        self.member = member
        self.parent: Generation | None = None
        # By side, "start" and "end": valid uploads that are not stored yet, and the stored frames.
        self.pictures: dict[str, frames.CheckedPicture] = {}
        self.frames: dict[str, Frame] = {}
        # Equal requests that stopped this one: the member's own in flight, and the team's finished videos.
        self.requested: list[Generation] = []
        self.made: list[Generation] = []
        self._next_key: uuid.UUID | None = None

    # ── Fields ────────────────────────────────────────────────────────────────────────────────────────────────

    def clean_prompt(self) -> str:
        prompt = unicodedata.normalize("NFC", self.cleaned_data["prompt"].replace("\r\n", "\n"))
        if CONTROL_CHARACTERS.search(prompt):
            raise forms.ValidationError("The prompt contains control characters. Remove them and try again.")
        if not prompt.strip():
            raise forms.ValidationError("Describe what the video should show.")
        if self.cleaned_data.get("several"):
            return self._clean_lines(prompt)
        if len(prompt) > limits.PROMPT_LENGTH:
            raise forms.ValidationError(
                f"The prompt has {len(prompt):,} characters; the limit is {limits.PROMPT_LENGTH:,}."
            )
        return prompt

    @staticmethod
    def _clean_lines(text: str) -> str:
        lines = list(filter(None, map(str.strip, text.split("\n"))))
        if len(lines) > limits.MAX_PROMPTS:
            raise forms.ValidationError(
                f"These are {len(lines)} prompts; the limit is {limits.MAX_PROMPTS}. Submit the others separately."
            )
        for number, line in enumerate(lines, 1):
            if len(line) > limits.PROMPT_LENGTH:
                raise forms.ValidationError(
                    f"Prompt {number} has {len(line):,} characters; the limit is {limits.PROMPT_LENGTH:,}."
                )
        return "\n".join(lines)

    def clean_aspect_ratio(self) -> str:
        return self.cleaned_data["aspect_ratio"] or limits.DEFAULT_ASPECT_RATIO

    def clean_video_id(self) -> str:
        video_id: str = self.cleaned_data["video_id"]
        if CONTROL_CHARACTERS.search(video_id) or re.search(r"\s", video_id):
            raise forms.ValidationError("A video ID has no spaces or control characters.")
        return video_id

    def clean_timeout(self) -> int:
        least, most = limits.MIN_TIMEOUT, limits.MAX_TIMEOUT
        message = f"Enter a whole number of seconds from {least} to {most:,}."
        return self._integer("timeout", limits.DEFAULT_TIMEOUT, least, most, message)

    def clean_count(self) -> int:
        return self._integer("count", 1, 1, limits.MAX_TAKES, f"Choose 1 to {limits.MAX_TAKES} takes.")

    def _integer(self, name: str, default: int, least: int, most: int, message: str) -> int:
        text = self.cleaned_data[name].strip()
        if not text:
            return default
        if not re.fullmatch(r"[0-9]{1,6}(\.0+)?", text) or not least <= int(float(text)) <= most:
            raise forms.ValidationError(message)
        return int(float(text))

    def clean_enhancement(self) -> bool:
        return self._switch("enhancement", default=True)

    def clean_loop(self) -> bool:
        return self._switch("loop", default=False)

    def _switch(self, name: str, *, default: bool) -> bool:
        """Clean a checkbox. One that is off sends nothing, so `form` tells it from a script that leaves it out."""
        text = self.cleaned_data[name].strip().lower()
        if not text:
            return False if self.data.get("form") else default
        if text not in ON + OFF:
            raise forms.ValidationError("This is either on or off.")
        return text in ON

    # ── The whole form ────────────────────────────────────────────────────────────────────────────────────────

    def clean(self) -> dict[str, Any]:
        super().clean()
        if "action" in self.errors:
            # No field of the page shows it: the mode stands for the action there.
            self.add_error(None, self.errors["action"])
        values = self.cleaned_data | {"action": self._action}
        videos, takes = len(self.prompts) * values.get("count", 1), values.get("count", 1)
        if videos > limits.MAX_VIDEOS:
            self.add_error(
                "prompt" if values.get("prompt") else None,
                f"{len(self.prompts)} prompts with {takes} takes each are {videos} videos; the limit is "
                f"{limits.MAX_VIDEOS}. Choose fewer takes, or submit some prompts later.",
            )
        extending = values["action"] == "extend"
        for side in ("start", "end"):
            if values.get("mode") == "text" or (extending and side == "start"):
                values[f"{side}_image_url"] = ""
            else:
                self._clean_frame(side)
        if extending:
            self._find_parent(values)
        else:
            values |= {"video_id": "", "video_url": ""}
        return values

    @property
    def _action(self) -> str:
        mode = self.cleaned_data.get("mode")
        if not mode:
            return self.cleaned_data.get("action") or "generate"
        return "extend" if mode == "extend" else "generate"

    def _clean_frame(self, side: str) -> None:
        """Check the uploaded picture of this side, or find the frame that was stored before."""
        name = f"{side}_image"
        upload = self.files.get(name)
        if upload is not None:
            self._check_upload(side, upload)
        elif wanted := self.cleaned_data.get(f"{side}_frame"):
            if frame := Frame.objects.filter(uuid=wanted).exclude(file="").first():
                self.frames[side] = frame
            else:
                self.add_error(name, "This picture is no longer available. Choose it again.")

    def _check_upload(self, side: str, upload: UploadedFile) -> None:
        if reason := frames.why_unavailable():
            self.add_error(f"{side}_image", reason)
            return
        try:
            self.pictures[side] = frames.check_upload(upload, self.member)
        except (frames.FrameError, Busy) as error:
            self.add_error(f"{side}_image", str(error))
        except OSError:
            self.add_error(f"{side}_image", frames.NOT_STORED)

    def _find_parent(self, values: dict[str, Any]) -> None:
        """Find the team's own video behind the id or the link; require one of the two."""
        if {"video_id", "video_url"} & set(self.errors):
            return
        video_id, video_url = values.get("video_id", ""), values.get("video_url", "")
        if not video_id and not video_url:
            message = "Choose a video, or enter the ID of the video to extend or a link to it."
            self.add_error("video_id", forms.ValidationError(message, code=NO_SOURCE))
            return
        saved = Generation.objects.filter(state="completed", trashed_at__isnull=True).order_by("-pk")
        # The exclusion lets SQLite use the partial index of videos that have an id.
        matching = (
            saved.exclude(video_id="").filter(video_id=video_id) if video_id else saved.filter(video_url=video_url)
        )
        self.parent = matching.first()

    @property
    def prompts(self) -> list[str]:
        """The prompts, one for each line with `several`; empty if the prompt is invalid."""
        prompt = self.cleaned_data.get("prompt", "")
        return prompt.split("\n") if prompt and self.cleaned_data.get("several") else [prompt] if prompt else []

    # ── After validation ──────────────────────────────────────────────────────────────────────────────────────

    def request(self) -> VideoRequest:
        """Return what a valid form requests, once its pictures are in `frames`."""
        values = self.cleaned_data
        return VideoRequest(
            prompts=self.prompts,
            settings={name: values[name] for name in REQUEST if name != "prompt"},
            takes=values["count"],
            start_frame=self.frames.get("start"),
            end_frame=self.frames.get("end"),
            parent=self.parent,
            video_id=values["video_id"],
            video_url=values["video_url"],
            key=values.get("submission_key"),
            collection=values["collection"],
        )

    def example(self) -> Request:
        """Return the request of the valid fields as another client would send it; of several prompts the first."""
        self.is_valid()
        values = self.cleaned_data
        first = next(iter(self.prompts), "")
        return example_request(
            values | {"prompt": first},
            uploaded=self.frames,
            video_id=values.get("video_id", ""),
            video_url=values.get("video_url", ""),
        )

    def show_equal_requests(self, error: AlreadyRequested) -> None:
        """Show the requests that stopped this one, with a new key: "Make another" is a separate press."""
        self.requested, self.made = error.requested, error.made
        self._next_key = uuid.uuid4()

    @property
    def kept_values(self) -> dict[str, str]:
        """The submitted values, valid or not, that remain while a video to extend is chosen."""
        values = {name: str(self.data.get(name, "")) for name in KEPT}
        for side in ("start", "end"):
            frame = self.frames.get(side) or Frame.objects.known(str(self.data.get(f"{side}_frame", "")))
            values[f"{side}_frame"] = str(frame.uuid) if frame else ""
        return values

    # ── For the template ──────────────────────────────────────────────────────────────────────────────────────

    @property
    def next_key(self) -> Any:
        """The submission key of the next press."""
        return self._next_key or self["submission_key"].value()

    @property
    def shown_frames(self) -> dict[str, Frame | None]:
        """The stored frames to show, by side."""
        return {
            side: self.frames.get(side) or Frame.objects.known(str(self[f"{side}_frame"].value()))
            for side in ("start", "end")
        }

    @cached_property
    def estimate(self) -> Estimate:
        """What the form would create and cost as it is filled in, valid or not."""
        lines = [line for line in str(self["prompt"].value() or "").split("\n") if line.strip()]
        takes = str(self["count"].value())
        return Estimate(
            Allowance.of(self.member),
            action="extend" if self.chosen_mode == "extend" else "generate",
            prompts=max(1, len(lines)) if self["several"].value() else 1,
            takes=int(takes) if takes in map(str, range(1, limits.MAX_TAKES + 1)) else 1,
        )

    @property
    def chosen_mode(self) -> str:
        mode = self["mode"].value()
        if self.is_bound and not mode:
            mode = "extend" if self["action"].value() == "extend" else "frames"
        return mode if mode in MODES else "text"

"""What a member asked for."""

import hashlib
import json
import re
import unicodedata
import uuid
from dataclasses import dataclass

from django import forms
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.functional import cached_property

from ..media import download
from ..media.decoding.client import Picture
from ..media.decoding.errors import Busy, NotAPicture, NotAVideo
from ..media.frames import extract_frame, read_upload, store_frame
from ..models import Allowance, AlreadyRequested, ApiToken, Frame, Generation, Member, OverBudget, Pool, Submission
from ..models.amounts import shown
from ..models.state import REQUEST
from ..provider import ASPECT_RATIOS, Request

PROMPT_AT_MOST = 5000
TAKES_AT_MOST = 4
# Of several prompts at once: lines of one form, and videos they make with their takes.
LINES_AT_MOST = 50
VIDEOS_AT_MOST = 100
EXAMPLE_PICTURE = "https://example.com/your-frame.jpg"
URL_AT_MOST = 2000

# Tab and line breaks belong to a text; other control characters, lone surrogates and non-characters do not.
UNUSABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff]")


class PublicLink(forms.CharField):
    """A link the provider will fetch: http(s), to somewhere public or to a configured origin."""

    def __init__(self, **kwargs) -> None:
        super().__init__(required=False, max_length=URL_AT_MOST, **kwargs)
        self.error_messages["max_length"] = f"The link is longer than {URL_AT_MOST} characters."

    def clean(self, value):
        value = super().clean(value)
        if not value:
            return ""
        if reason := download.check_public_host(value, _our_origins()):
            raise forms.ValidationError(reason)
        return value


def _our_origins() -> frozenset[download.Origin]:
    """The configured origins, which may be private: the tokens' providers, and our own public address."""
    addresses = {*ApiToken.objects.values_list("base_url", flat=True).distinct()}
    if settings.PUBLIC_URL:
        addresses.add(settings.PUBLIC_URL)
    origins = set()
    for address in addresses:
        try:
            origins.add(download.origin_of(address))
        except download.NotAllowed:
            continue  # a token stored with an address nothing can be fetched from allows nothing
    return frozenset(origins)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a form would take from the month's budget, in thousandths of a credit."""

    allowance: Allowance
    asked: int

    @property
    def is_over(self) -> bool:
        return self.allowance.left is not None and self.asked > self.allowance.left

    def over(self, error: OverBudget) -> OverBudget:
        left = self.allowance.left_for_team if error.whose == "team" else self.allowance.left_for_member
        return OverBudget(error.whose, self.asked, left or 0, error.limit, self.allowance.pricing)

    def __str__(self) -> str:
        left = self.allowance.left
        words = self.allowance.pricing.amount(self.asked)
        return words if left is None else f"{words} of {shown(left)} left"


class GenerationForm(forms.Form):
    """A generation or an extension. Field names are the provider's.

    Pictures that were uploaded are kept as frames even when something else is wrong, so that nobody has to choose
    them twice: `start_frame` and `end_frame` carry their ids.
    """

    submission_key = forms.UUIDField(required=False)
    form = forms.CharField(required=False)
    mode = forms.ChoiceField(choices=[(word, word) for word in ("text", "frames", "extend")], required=False)
    action = forms.ChoiceField(
        choices=[("generate", "generate"), ("extend", "extend")],
        required=False,
        error_messages={"invalid_choice": "The action is either generate or extend."},
    )
    several = forms.BooleanField(required=False)  # before the prompt, whose lines it makes prompts of their own
    prompt = forms.CharField(required=False, strip=True)
    aspect_ratio = forms.ChoiceField(
        choices=[(word, word) for word in ASPECT_RATIOS],
        required=False,
        error_messages={"invalid_choice": f"Choose one of {', '.join(ASPECT_RATIOS)}."},
    )
    start_image = forms.FileField(required=False, allow_empty_file=True)
    end_image = forms.FileField(required=False, allow_empty_file=True)
    start_image_url = PublicLink()
    end_image_url = PublicLink()
    start_frame = forms.UUIDField(required=False)
    end_frame = forms.UUIDField(required=False)
    enhancement = forms.CharField(required=False)
    loop = forms.CharField(required=False)
    timeout = forms.CharField(required=False)
    count = forms.CharField(required=False)
    again = forms.BooleanField(required=False)  # pressed with the same request in sight that was made before
    video_id = forms.CharField(required=False, max_length=200)
    video_url = PublicLink()

    def __init__(self, data=None, files=None, *, member: Member, **kwargs) -> None:
        initial = {
            "submission_key": uuid.uuid4(),
            "mode": "text",
            "action": "generate",
            "aspect_ratio": "16:9",
            "enhancement": True,
            "loop": False,
            "timeout": 300,
            "count": 1,
        } | kwargs.pop("initial", {})
        super().__init__(data, files, initial=initial, **kwargs)
        self.member = member
        self.parent: Generation | None = None
        # Equal requests, when they stopped this one: the member's own in flight, and the team's finished videos.
        self.requested: list[Generation] = []
        self.made: list[Generation] = []

    # ── Field by field ────────────────────────────────────────────────────────────────────────────────────────

    def clean_prompt(self) -> str:
        prompt = unicodedata.normalize("NFC", self.cleaned_data["prompt"].replace("\r\n", "\n"))
        if UNUSABLE.search(prompt):
            raise forms.ValidationError("The prompt has control characters in it. Remove them, or type it anew.")
        if not prompt.strip():
            raise forms.ValidationError("Say what the video should show.")
        if self.cleaned_data.get("several"):
            return self._lines(prompt)
        if len(prompt) > PROMPT_AT_MOST:
            raise forms.ValidationError(f"The prompt has {len(prompt):,} characters; {PROMPT_AT_MOST:,} are the most.")
        return prompt

    def _lines(self, text: str) -> str:
        lines = list(filter(None, map(str.strip, text.split("\n"))))
        if len(lines) > LINES_AT_MOST:
            raise forms.ValidationError(
                f"These are {len(lines)} prompts; {LINES_AT_MOST} are the most at once. Send the others after them."
            )
        for number, line in enumerate(lines, 1):
            if len(line) > PROMPT_AT_MOST:
                raise forms.ValidationError(
                    f"Prompt {number} has {len(line):,} characters; {PROMPT_AT_MOST:,} are the most."
                )
        return "\n".join(lines)

    def clean_aspect_ratio(self) -> str:
        return self.cleaned_data["aspect_ratio"] or "16:9"

    def clean_video_id(self) -> str:
        video_id = self.cleaned_data["video_id"]
        if UNUSABLE.search(video_id) or re.search(r"\s", video_id):
            raise forms.ValidationError("A video id has no spaces or control characters in it.")
        return video_id

    def clean_timeout(self) -> int:
        return self._whole_number("timeout", 300, 30, 3600, "Timeout is a whole number of seconds from 30 to 3600.")

    def clean_count(self) -> int:
        return self._whole_number("count", 1, 1, TAKES_AT_MOST, "Choose one to four takes.")

    def _whole_number(self, name: str, default: int, least: int, most: int, message: str) -> int:
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
        """A box that is off sends nothing; `form` says that the box was there, and not left out by a script."""
        text = self.cleaned_data[name].strip().lower()
        if not text:
            return False if self.data.get("form") else default
        if text in ("1", "true", "on", "yes"):
            return True
        if text in ("0", "false", "off", "no"):
            return False
        raise forms.ValidationError("This is either on or off.")

    # ── All together ──────────────────────────────────────────────────────────────────────────────────────────

    def clean(self) -> dict:
        data = super().clean()
        mode = data.get("mode") or ""
        if "action" in self.errors:
            # No field of the form shows it, since the mode stands for it there.
            self.add_error(None, self.errors["action"])
        else:
            data["action"] = data.get("action") if not mode else "extend" if mode == "extend" else "generate"
            data["action"] = data["action"] or "generate"
        prompts = self.prompts
        if (videos := len(prompts) * data.get("count", 1)) > VIDEOS_AT_MOST:
            self.add_error(
                "prompt" if data.get("prompt") else None,
                f"{len(prompts)} prompts with {data['count']} takes each are {videos} videos; {VIDEOS_AT_MOST} are the "
                "most at once. Choose fewer takes, or send some of the prompts later.",
            )
        extending = data.get("action") == "extend"
        for side in ("start", "end"):
            asked = not (extending and side == "start") and mode != "text"
            data[side] = self._frame(side) if asked else None
            if not asked:
                data[f"{side}_image_url"] = ""
        if extending:
            self._find_parent(data)
        else:
            data["video_id"] = data["video_url"] = ""
        return data

    def _frame(self, side: str) -> Frame | None:
        """The uploaded picture of this side, stored; or the one that was stored with an earlier try."""
        name = f"{side}_image"
        upload = self.files.get(name)
        if upload is not None:
            if reason := frames_impossible():
                self.add_error(name, reason)
                return None
            try:
                frame = keep_frame(upload, self.member)
            except (NotAPicture, Busy) as error:
                self.add_error(name, str(error))
                return None
            except OSError:
                self.add_error(name, "The picture could not be stored here. Tell your admin that the disk may be full.")
                return None
            # So that the form, should it come back with another error, still has the picture.
            self.data = self.data.copy()
            self.data[f"{side}_frame"] = str(frame.uuid)
            return frame
        wanted = self.cleaned_data.get(f"{side}_frame")
        if not wanted:
            return None
        frame = Frame.objects.filter(uuid=wanted).exclude(file="").first()
        if not frame:
            self.add_error(name, "This picture is no longer here. Choose it again.")
        return frame

    def _find_parent(self, data: dict) -> None:
        video_id, video_url = data.get("video_id", ""), data.get("video_url", "")
        if {"video_id", "video_url"} & set(self.errors):
            return
        if not video_id and not video_url:
            self.add_error("video_id", "Say which video to extend: its id, or a link to it.")
            return
        mine = Generation.objects.filter(state="completed", trashed_at__isnull=True).order_by("-pk")
        # Without the exclusion SQLite would not see that the index of those with an id has it.
        named = mine.exclude(video_id="").filter(video_id=video_id) if video_id else mine.filter(video_url=video_url)
        self.parent = named.first()

    @property
    def prompts(self) -> list[str]:
        """What is asked for: one prompt, or one from each line; empty where the prompt was refused."""
        prompt = self.cleaned_data.get("prompt", "")
        return prompt.split("\n") if prompt and self.cleaned_data.get("several") else [prompt] if prompt else []

    def _asked(self, prompt: str) -> dict:
        """The fields of the generations that one of the prompts makes."""
        data = self.cleaned_data
        extending = data["action"] == "extend"
        asked = {name: data[name] for name in REQUEST} | {"prompt": prompt}
        # An upload wins over a link that was given beside it.
        asked |= {f"{side}_image_url": "" for side in ("start", "end") if data[side]}
        return asked | {
            "source_video_id": data["video_id"] if extending else "",
            "source_video_url": data["video_url"] if extending else "",
        }

    @property
    def _linked(self) -> dict:
        data = self.cleaned_data
        depth = self.parent.depth + 1 if self.parent else int(data["action"] == "extend")
        return {"start_frame": data["start"], "end_frame": data["end"], "parent": self.parent, "depth": depth}

    def save(self) -> list[Submission]:
        """Create what was asked for, all of it or nothing, one submission for each prompt.

        A form that was sent before returns what it made then. Raises AlreadyRequested, after which the form shows the
        equal requests, and OverBudget.
        """
        data = self.cleaned_data
        asked = {self._key(one, line): one | self._linked for line, one in enumerate(map(self._asked, self.prompts))}
        try:
            opened = Submission.objects.open_unless_requested(
                self.member,
                asked,
                data["count"],
                confirmed=data["again"],
                # Only a person is asked about finished videos: a script that posts the request later means it.
                include_finished=bool(data["form"]),
            )
        except OverBudget as error:
            # Of several prompts one was too much; what is said is about all of them.
            raise self.cost.over(error) from None
        except AlreadyRequested as error:
            self.requested, self.made = error.requested, error.made
            # "Make another" is a press of its own, and still only one.
            self.data = self.data.copy()
            self.data["submission_key"] = str(uuid.uuid4())
            raise
        return [submission for submission, _ in opened]

    def _key(self, asked: dict, line: int) -> uuid.UUID:
        """The form's own key with what it asks for: sent twice it is one, gone back to and edited it is another.

        The number of the line counts, as the same prompt may stand in two of them.
        """
        data = self.cleaned_data
        if not (key := data.get("submission_key")):
            return uuid.uuid4()
        frames = [data[side] and str(data[side].uuid) for side in ("start", "end")]
        return uuid.uuid5(key, json.dumps([asked, frames, data["count"], line], sort_keys=True))

    def example(self) -> Request:
        """The request as somebody else would send it, of what is right so far; of several prompts the first.

        Uploaded pictures have no lasting address to show. Nothing is stored if the form was made without its files.
        """
        self.is_valid()
        data = self.cleaned_data
        fields = {name: data[name] for name in REQUEST if data.get(name, "") != ""}
        pictures = {f"{side}_image_url": EXAMPLE_PICTURE for side in ("start", "end") if data.get(side)}
        source = {name: data.get(name, "") for name in ("video_id", "video_url")}
        return Request(**(fields | pictures | source | {"prompt": next(iter(self.prompts), "")}))

    # ── For the template ──────────────────────────────────────────────────────────────────────────────────────

    @property
    def kept(self) -> dict[str, Frame | None]:
        """The stored pictures behind `start_frame` and `end_frame`, to be shown again."""
        frames = {side: Frame.objects.known(str(self[f"{side}_frame"].value())) for side in ("start", "end")}
        return frames

    @property
    def videos(self) -> tuple[int, int]:
        """How many prompts the form as it stands has, and how many takes of each."""
        lines = [line for line in str(self["prompt"].value() or "").split("\n") if line.strip()]
        takes = str(self["count"].value())
        return (max(1, len(lines)) if self["several"].value() else 1), int(takes) if takes in ("2", "3", "4") else 1

    @property
    def asks_for(self) -> str:
        """How many videos the form as it stands would make, in words."""
        prompts, takes = self.videos
        videos = prompts * takes
        words = "1 video" if videos == 1 else f"{videos} videos"
        return f"{words}: {prompts} prompts × {takes} takes" if prompts > 1 and takes > 1 else words

    @cached_property
    def cost(self) -> Cost:
        """What that would take, and what there is."""
        prompts, takes = self.videos
        allowance = Allowance.of(self.member)
        price = allowance.pricing.price_of("extend" if self.chosen_mode == "extend" else "generate")
        return Cost(allowance, prompts * takes * price)

    @property
    def chosen_mode(self) -> str:
        mode = self["mode"].value()
        if self.is_bound and not mode:
            mode = "extend" if self["action"].value() == "extend" else "frames"
        return mode if mode in ("text", "frames", "extend") else "text"


def frames_impossible(pool: Pool | None = None) -> str:
    """Why a picture cannot be given to the provider; "" when it can, by our public address or by an upload."""
    tokens = (pool or Pool.current()).enabled
    if any(token.takes_frames() for token in tokens):
        return ""
    if not tokens:
        return "There is no API token yet, so nobody could take the picture. Use a link instead."
    latest = max(tokens, key=lambda token: token.uploads_refused_at)
    return f"The provider refused the last uploaded picture: {latest.uploads_refusal} Use a link instead."


def keep_frame(upload, member: Member) -> Frame:
    """Store an uploaded picture, once: the same bytes make the same frame.

    Raises NotAPicture, Busy, OSError.
    """
    sha = hashlib.sha256()
    if upload.size <= settings.FRAME_MAX_BYTES:
        for chunk in upload.chunks():
            sha.update(chunk)
        known = Frame.objects.filter(sha256=sha.hexdigest()).exclude(file="")
        # Its week of being kept unused begins anew.
        if known.update(created_at=timezone.now()) and (frame := known.first()):
            return frame
    if refusal := Frame.objects.refusal_for(member):
        raise NotAPicture(refusal)
    return _kept(read_upload(upload), sha.hexdigest(), member)


def cut_frame(generation: Generation, at: str, member: Member) -> tuple[Frame | None, str]:
    """The picture of a saved video at this time (s), the "first" or the "last", as a frame; or why there is none."""
    if not generation.is_saved:
        return None, "The video is not saved here yet, so no picture can be cut from it."
    if refusal := Frame.objects.refusal_for(member):
        return None, refusal
    if at not in ("first", "last"):
        if not re.fullmatch(r"\d{1,6}(\.\d{1,9})?", at) or float(at) > (generation.duration or 0) + 1:
            return None, "There is no picture at this time. Say first, last, or a time within the video in seconds."
        at = float(at)
    try:
        picture = extract_frame(generation.video_file, at)
        return _kept(picture, hashlib.sha256(picture.data).hexdigest(), member), ""
    except Busy as busy:
        return None, str(busy)
    except NotAVideo:
        return None, "The saved video cannot be read. An admin mends that: manage.py verify_media --repair."
    except OSError:
        return None, "The picture could not be cut here. Tell your admin: the video may be missing, or the disk full."


def _kept(picture: Picture, sha256: str, member: Member) -> Frame:
    facts = {"width": picture.width, "height": picture.height, "size_bytes": len(picture.data)}
    known = Frame.objects.filter(sha256=sha256).exclude(file="")
    # Its week of being kept unused begins anew.
    if known.update(created_at=timezone.now()):
        return known.get()
    facts["file"] = store_frame(picture, uuid.uuid4().hex)
    try:
        with transaction.atomic():
            frame, _ = Frame.objects.update_or_create(
                sha256=sha256,
                defaults=facts | {"created_at": timezone.now()},
                create_defaults=facts | {"member": member},
            )
    except IntegrityError:
        default_storage.delete(facts["file"])
        raise
    return frame

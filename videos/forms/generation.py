"""What a member asked for."""

import hashlib
import json
import re
import unicodedata
import uuid

from django import forms
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction

from .. import download, media
from ..models import ApiToken, Frame, Generation, Member, Submission
from ..models.state import REQUEST
from ..provider import ASPECT_RATIOS

PROMPT_AT_MOST = 5000
TAKES_AT_MOST = 4
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

    # ── Field by field ────────────────────────────────────────────────────────────────────────────────────────

    def clean_prompt(self) -> str:
        prompt = unicodedata.normalize("NFC", self.cleaned_data["prompt"].replace("\r\n", "\n"))
        if UNUSABLE.search(prompt):
            raise forms.ValidationError("The prompt has control characters in it. Remove them, or type it anew.")
        if not prompt.strip():
            raise forms.ValidationError("Say what the video should show.")
        if len(prompt) > PROMPT_AT_MOST:
            raise forms.ValidationError(f"The prompt has {len(prompt):,} characters; {PROMPT_AT_MOST:,} are the most.")
        return prompt

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
            except media.NotAPicture as error:
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
        self.parent = mine.filter(video_id=video_id).first() if video_id else mine.filter(video_url=video_url).first()

    def save(self) -> tuple[Submission, bool]:
        """Create what was asked for; a form that was sent before gives what it made then, and False."""
        data = self.cleaned_data
        extending = data["action"] == "extend"
        asked = {name: data[name] for name in REQUEST}
        # An upload wins over a link that was given beside it.
        asked |= {f"{side}_image_url": "" for side in ("start", "end") if data[side]}
        asked |= {
            "source_video_id": data["video_id"] if extending else "",
            "source_video_url": data["video_url"] if extending else "",
        }
        return Submission.objects.open(
            self.member,
            self._key(asked),
            data["count"],
            start_frame=data["start"],
            end_frame=data["end"],
            parent=self.parent,
            depth=self.parent.depth + 1 if self.parent else int(extending),
            **asked,
        )

    def _key(self, asked: dict) -> uuid.UUID:
        """The form's own key with what it asks for: sent twice it is one, gone back to and edited it is another."""
        data = self.cleaned_data
        if not (key := data.get("submission_key")):
            return uuid.uuid4()
        frames = [data[side] and str(data[side].uuid) for side in ("start", "end")]
        return uuid.uuid5(key, json.dumps([asked, frames, data["count"]], sort_keys=True))

    # ── For the template ──────────────────────────────────────────────────────────────────────────────────────

    @property
    def kept(self) -> dict[str, Frame | None]:
        """The stored pictures behind `start_frame` and `end_frame`, to be shown again."""
        frames = {}
        for side in ("start", "end"):
            try:
                wanted = uuid.UUID(str(self[f"{side}_frame"].value()))
            except ValueError:
                wanted = None
            frames[side] = Frame.objects.filter(uuid=wanted).exclude(file="").first() if wanted else None
        return frames

    @property
    def chosen_mode(self) -> str:
        mode = self["mode"].value()
        if self.is_bound and not mode:
            mode = "extend" if self["action"].value() == "extend" else "frames"
        return mode if mode in ("text", "frames", "extend") else "text"


def frames_impossible() -> str:
    """Why pictures cannot be uploaded; "" when they can: some provider in use is able to fetch them from us."""
    tokens = list(ApiToken.objects.filter(enabled=True))
    if any(token.public_url for token in tokens):
        return ""
    if not tokens:
        return "There is no API token yet, so nobody could fetch the picture. Use a link instead."
    return (
        "This installation has no public address from which the provider could fetch the picture. "
        "Use a link instead, or ask your admin to set LUMAWEB_PUBLIC_URL."
    )


def keep_frame(upload, member: Member) -> Frame:
    """Store an uploaded picture, once: the same bytes make the same frame. Raises media.NotAPicture, OSError."""
    sha = hashlib.sha256()
    if upload.size <= settings.FRAME_MAX_BYTES:
        for chunk in upload.chunks():
            sha.update(chunk)
        if frame := Frame.objects.filter(sha256=sha.hexdigest()).exclude(file="").first():
            return frame
    picture = media.read_picture(upload)
    name = media.store_picture(picture, uuid.uuid4().hex)
    try:
        with transaction.atomic():
            frame, _ = Frame.objects.update_or_create(
                sha256=sha.hexdigest(),
                defaults={
                    "file": name,
                    "width": picture.width,
                    "height": picture.height,
                    "size_bytes": len(picture.data),
                },
                create_defaults={
                    "file": name,
                    "width": picture.width,
                    "height": picture.height,
                    "size_bytes": len(picture.data),
                    "member": member,
                },
            )
    except IntegrityError:
        default_storage.delete(name)
        raise
    return frame

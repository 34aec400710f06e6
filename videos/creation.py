"""Create videos from a validated request. A form builds the request; any other client can build one too."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from .models import Collection, Frame, Generation, Member, Submission
from .models.state import REQUEST


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """A validated request for videos: one submission for each prompt, all of them with the same settings.

    settings: a value for each name in REQUEST but the prompt.
    parent: the team's video to extend, if it is known; video_id, video_url: how the provider knows it.
    key: identifies the press of the button; sent again, it creates nothing new. None: always create.
    collection: the new videos are added to it.
    """

    prompts: list[str]
    settings: dict[str, Any]
    takes: int = 1
    start_frame: Frame | None = None
    end_frame: Frame | None = None
    parent: Generation | None = None
    video_id: str = ""
    video_url: str = ""
    key: uuid.UUID | None = None
    collection: Collection | None = None

    @property
    def is_extension(self) -> bool:
        return self.settings["action"] == "extend"

    def submit(self, member: Member, *, confirmed: bool = False, include_finished: bool = False) -> list[Submission]:
        """Create the submissions, all or none; those that this key created before are returned as they are.

        `confirmed` and `include_finished` as in `open_unless_requested`. Raises AlreadyRequested, OverBudget and
        CollectionGone.
        """
        wanted: dict[uuid.UUID, dict[str, Any]] = {}
        for line, prompt in enumerate(self.prompts):
            fields = self._fields(prompt)
            wanted[self._key_of(fields, line)] = fields | self._relations
        with transaction.atomic():
            opened = Submission.objects.open_unless_requested(
                member, wanted, self.takes, confirmed=confirmed, include_finished=include_finished
            )
            submissions = [submission for submission, _ in opened]
            if self.collection:
                # Of a request sent again too: its collection may have been chosen after the first was sent.
                self.collection.add(list(Generation.objects.filter(submission__in=submissions)), member)
        return submissions

    def _fields(self, prompt: str) -> dict[str, Any]:
        """Return the plain fields of the generations of one prompt."""
        # An uploaded frame wins over a link that was entered beside it.
        links = {"start_image_url": self.start_frame, "end_image_url": self.end_frame}
        return (
            {name: self.settings[name] for name in REQUEST if name != "prompt"}
            | {name: "" for name, frame in links.items() if frame}
            | {"prompt": prompt, "source_video_id": self.video_id, "source_video_url": self.video_url}
        )

    @property
    def _relations(self) -> dict[str, Any]:
        depth = self.parent.depth + 1 if self.parent else int(self.is_extension)
        return {
            "start_frame": self.start_frame,
            "end_frame": self.end_frame,
            "parent": self.parent,
            "depth": depth,
        }

    def _key_of(self, fields: dict[str, Any], line: int) -> uuid.UUID:
        """Return the key of one prompt: the same for a repeated request, another after the form was edited.

        The line counts, since two lines may have the same prompt.
        """
        if not self.key:
            return uuid.uuid4()
        frames = [frame and str(frame.uuid) for frame in (self.start_frame, self.end_frame)]
        return uuid.uuid5(self.key, json.dumps([fields, frames, self.takes, line], sort_keys=True))

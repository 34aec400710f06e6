"""Limits of what members submit, for forms, templates and scripts alike."""

from dataclasses import dataclass

from django.conf import settings

from .provider import ASPECT_RATIOS

PROMPT_LENGTH = 5_000
URL_LENGTH = 2_000
SEARCH_LENGTH = 200
COLLECTION_NAME_LENGTH = 80
MAX_TAKES = 4
# For multiple prompts: lines of one form, and the videos they make with their takes.
MAX_PROMPTS = 50
MAX_VIDEOS = 100
MAX_SELECTED = 200
MAX_SHARED = 400  # videos of one link for guests, less than the fields that a form may have
SHARE_TITLE_LENGTH = 120
DEFAULT_ASPECT_RATIO = "16:9"
DEFAULT_TIMEOUT, MIN_TIMEOUT, MAX_TIMEOUT = 300, 30, 3_600  # seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that templates show, and hand to scripts in data attributes."""

    prompt_length: int = PROMPT_LENGTH
    search_length: int = SEARCH_LENGTH
    collection_name_length: int = COLLECTION_NAME_LENGTH
    max_prompts: int = MAX_PROMPTS
    max_videos: int = MAX_VIDEOS
    max_selected: int = MAX_SELECTED
    share_title_length: int = SHARE_TITLE_LENGTH
    min_timeout: int = MIN_TIMEOUT
    max_timeout: int = MAX_TIMEOUT
    takes: tuple[int, ...] = tuple(range(1, MAX_TAKES + 1))
    aspect_ratios: tuple[str, ...] = ASPECT_RATIOS
    frame_bytes: int = settings.FRAME_MAX_BYTES

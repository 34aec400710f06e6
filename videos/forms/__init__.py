"""What a member asked for."""

from .gallery import FilterForm
from .generation import GenerationForm, cut_frame, frames_impossible, keep_frame
from .money import TermsForm
from .setup import SetupForm

__all__ = ["FilterForm", "GenerationForm", "SetupForm", "TermsForm", "cut_frame", "frames_impossible", "keep_frame"]

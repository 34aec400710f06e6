"""What a member asked for."""

from .account import ChoicesForm, ComingInForm, ForgottenForm, ProfileForm
from .gallery import FilterForm
from .generation import GenerationForm, cut_frame, frames_impossible, keep_frame
from .money import TermsForm
from .setup import SetupForm
from .share import ShareForm
from .team import InviteForm, LimitForm
from .usage import RangeForm, presets

__all__ = [
    "ChoicesForm",
    "ComingInForm",
    "FilterForm",
    "ForgottenForm",
    "GenerationForm",
    "InviteForm",
    "LimitForm",
    "ProfileForm",
    "RangeForm",
    "SetupForm",
    "ShareForm",
    "TermsForm",
    "cut_frame",
    "frames_impossible",
    "keep_frame",
    "presets",
]

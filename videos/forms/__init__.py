"""Forms: they validate what members submit, and write no files."""

from .account import AcceptInvitationForm, PasswordResetForm, PreferencesForm, ProfileForm
from .gallery import FilterForm
from .generation import GenerationForm
from .money import PricingForm
from .setup import SetupForm
from .share import ShareForm, ShareVideosForm, too_many
from .team import InviteForm, LimitForm
from .usage import RangeForm, presets

__all__ = [
    "AcceptInvitationForm",
    "FilterForm",
    "GenerationForm",
    "InviteForm",
    "LimitForm",
    "PasswordResetForm",
    "PreferencesForm",
    "PricingForm",
    "ProfileForm",
    "RangeForm",
    "SetupForm",
    "ShareForm",
    "ShareVideosForm",
    "presets",
    "too_many",
]

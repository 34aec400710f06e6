"""One requested video, from the form to the saved file."""

from .model import Generation
from .queryset import Filters
from .results import Verdict
from .submitting import Claim

__all__ = ["Claim", "Filters", "Generation", "Verdict"]

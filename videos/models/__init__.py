from .event import Event
from .frame import Frame, TemporaryLink
from .generation import Claim, Generation, Verdict
from .leftover import Leftover
from .machine import Heartbeat, Lease
from .member import Member
from .rows import Filters
from .search import SearchIndex
from .shelf import Collection, CollectionItem, Star
from .state import Choice, State
from .submission import Submission
from .token import ApiToken, Health, Pool

__all__ = [
    "ApiToken",
    "Choice",
    "Claim",
    "Collection",
    "CollectionItem",
    "Event",
    "Filters",
    "Frame",
    "Generation",
    "Health",
    "Heartbeat",
    "Lease",
    "Leftover",
    "Member",
    "Pool",
    "SearchIndex",
    "Star",
    "State",
    "Submission",
    "TemporaryLink",
    "Verdict",
]

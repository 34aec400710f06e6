from .event import Event
from .frame import Frame, TemporaryLink
from .generation import Claim, Generation, State, Verdict
from .leftover import Leftover
from .machine import Heartbeat, Lease
from .member import Member
from .submission import Submission
from .token import ApiToken, Health, Pool

__all__ = [
    "ApiToken",
    "Claim",
    "Event",
    "Frame",
    "Generation",
    "Health",
    "Heartbeat",
    "Lease",
    "Leftover",
    "Member",
    "Pool",
    "State",
    "Submission",
    "TemporaryLink",
    "Verdict",
]

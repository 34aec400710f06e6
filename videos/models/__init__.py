from .bounce import Bounce
from .budget import Allowance, Balance, OverBudget, Terms
from .change import Change
from .event import Event
from .found_task import FoundTask
from .frame import Frame, TemporaryLink
from .generation import Generation
from .invitation import Invitation
from .leftover import Leftover
from .machine import Heartbeat, Lease
from .member import Member, Theme
from .meter import Meter
from .results import Verdict
from .rollup import RollUp, RollUpMark
from .rows import Filters
from .search import SearchIndex
from .sending import Claim
from .share import Share, TooManyLinks
from .shelf import Collection, CollectionItem, Star, TooManyCollections
from .state import Choice, SearchOutcome, State
from .step_failure import StepFailure
from .submission import AlreadyRequested, Submission
from .token import ApiToken, Health, Pool
from .uploaded_frame import UploadedFrame

__all__ = [
    "Allowance",
    "AlreadyRequested",
    "ApiToken",
    "Balance",
    "Bounce",
    "Change",
    "Choice",
    "Claim",
    "Collection",
    "CollectionItem",
    "Event",
    "Filters",
    "FoundTask",
    "Frame",
    "Generation",
    "Health",
    "Heartbeat",
    "Invitation",
    "Lease",
    "Leftover",
    "Member",
    "Meter",
    "OverBudget",
    "Pool",
    "RollUp",
    "RollUpMark",
    "SearchIndex",
    "SearchOutcome",
    "Share",
    "Star",
    "State",
    "StepFailure",
    "Submission",
    "TemporaryLink",
    "Terms",
    "Theme",
    "TooManyCollections",
    "TooManyLinks",
    "UploadedFrame",
    "Verdict",
]

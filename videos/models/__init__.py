from .audit import AuditEntry
from .backup import Backup, BackupState
from .budget import Allowance, Balance, OverBudget, Pricing
from .collections import Collection, CollectionGone, CollectionItem, TooManyCollections
from .event import Event
from .found_task import FoundTask
from .frame import Frame, TemporaryLink
from .gateway_rejection import GatewayRejection
from .generation import Claim, Filters, Generation, Requeued, Verdict
from .health_report import HealthReport
from .heartbeat import Heartbeat
from .histogram import Histogram
from .identity import ExternalIdentity
from .invitation import Invitation
from .lease import Lease
from .machine import Machine
from .mail_status import MailStatus
from .member import CardSize, Member, Theme
from .orphaned_file import OrphanedFile
from .provider_account import ProviderAccount
from .rollup import RollUp, RollUpMark
from .search import SearchIndex
from .share import Share, ShareItem, TooManyLinks
from .stars import Star
from .state import Choice, HoldReason, SearchOutcome, State
from .step_failure import StepFailure
from .storage_policy import StoragePolicy
from .submission import AlreadyRequested, Submission
from .token import ApiToken, Health
from .token_pool import Pool
from .uploaded_frame import UploadedFrame

__all__ = [
    "Allowance",
    "AlreadyRequested",
    "ApiToken",
    "AuditEntry",
    "Backup",
    "BackupState",
    "Balance",
    "CardSize",
    "Choice",
    "Claim",
    "Collection",
    "CollectionGone",
    "CollectionItem",
    "Event",
    "ExternalIdentity",
    "Filters",
    "FoundTask",
    "Frame",
    "GatewayRejection",
    "Generation",
    "Health",
    "HealthReport",
    "Heartbeat",
    "Histogram",
    "HoldReason",
    "Invitation",
    "Lease",
    "Machine",
    "MailStatus",
    "Member",
    "OrphanedFile",
    "OverBudget",
    "Pool",
    "Pricing",
    "ProviderAccount",
    "Requeued",
    "RollUp",
    "RollUpMark",
    "SearchIndex",
    "SearchOutcome",
    "Share",
    "ShareItem",
    "Star",
    "State",
    "StepFailure",
    "StoragePolicy",
    "Submission",
    "TemporaryLink",
    "Theme",
    "TooManyCollections",
    "TooManyLinks",
    "UploadedFrame",
    "Verdict",
]

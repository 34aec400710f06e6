"""The functions that calls in the queue name by their path; their code is in `videos.jobs`."""

from . import mail
from .jobs.account_reading import mail_low_balance
from .jobs.outcome_recorder import recover_spool
from .jobs.poster_colors import read_poster_colors
from .jobs.queue import SUBMIT_CLUSTER
from .jobs.saving import archive
from .jobs.submit import drain
from .models import Heartbeat

__all__ = ["archive", "beat", "drain", "mail_low_balance", "mail_new_password", "read_poster_colors"]


def mail_new_password(name: str, origin: str = "") -> None:
    """Mail a link to a new password; ignore `origin`, which web processes of the previous release pass."""
    mail.new_password(name)


def beat(name: str) -> None:
    """Stamp the heartbeat of a cluster on this machine, and record what a killed worker left in the spool."""
    Heartbeat.stamp(name)
    if name == SUBMIT_CLUSTER:
        recover_spool()

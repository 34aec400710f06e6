"""The functions that calls in the queue name by their path; their code is in `videos.jobs`."""

from . import mail
from .jobs.outcome_recorder import recover_spool
from .jobs.queue import SUBMIT_CLUSTER
from .jobs.saving import archive
from .jobs.submit import drain
from .models import Heartbeat

__all__ = ["archive", "beat", "drain", "mail_new_password"]


def mail_new_password(name: str, origin: str = "") -> None:
    """Mail a link to a new password. `origin` is ignored: a web process of the last release took it from a request."""
    mail.new_password(name)


def beat(name: str) -> None:
    Heartbeat.stamp(name)
    if name == SUBMIT_CLUSTER:
        # Of a worker on this machine that was ended before the database took its answers.
        recover_spool()

"""The functions that calls in the queue name by their path; their code is in `videos.jobs`."""

from . import mail
from .jobs.queue import SUBMISSIONS
from .jobs.saving import archive
from .jobs.submit import drain
from .jobs.unsaved import recover
from .models import Heartbeat

__all__ = ["archive", "beat", "drain", "mail_new_password"]


def mail_new_password(name: str, origin: str = "") -> None:
    """Mail a link to a new password. `origin` is ignored: a web process of the last release took it from a request."""
    mail.new_password(name)


def beat(name: str) -> None:
    Heartbeat.stamp(name)
    if name == SUBMISSIONS:
        # Of a worker on this machine that was ended before the database took its answers.
        recover()

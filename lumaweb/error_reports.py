"""Error reports, shown in debug mode or mailed to admins, without secrets."""

import re
from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from .logs import redact


class Filter(SafeExceptionReporterFilter):
    """Hide secrets in debug mode too, as Django does not: people paste such pages into chats and tickets."""

    # The URLs of databases and of the mail server hold passwords.
    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|DATABASE_URL|REDIS|MAIL", re.IGNORECASE
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        """Return the names of the fields only: a form may hold a password or a token under any name."""
        return dict.fromkeys(request.POST, self.cleansed_substitute) if request else {}

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> ItemsView[str, Any]:
        """Return no variables: on the way to the provider's client, some of them hold a token or a callback's key."""
        return dict[str, Any]().items()


class Report(ExceptionReporter):
    """Django's report, with secret paths and words redacted."""

    def get_traceback_html(self) -> SafeString:
        return mark_safe(redact(super().get_traceback_html()))

    def get_traceback_text(self) -> SafeString:
        return mark_safe(redact(super().get_traceback_text()))

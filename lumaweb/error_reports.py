"""Error reports, to be shown while debugging or sent to somebody: without what opens anything."""

import re

from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from .logs import redact


class Filter(SafeExceptionReporterFilter):
    """Hide what is secret also while debugging: Django does not, and such a page is soon in a chat or a ticket."""

    # With the addresses of databases and of the mail server, which have passwords in them.
    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|DATABASE_URL|REDIS|MAIL", re.IGNORECASE
    )

    def is_active(self, request) -> bool:
        return True

    def get_post_parameters(self, request) -> dict:
        """The names of the fields only: a form may hold a password or a token, whatever its fields are called."""
        return dict.fromkeys(request.POST, self.cleansed_substitute) if request else {}

    def get_traceback_frame_variables(self, request, tb_frame) -> list:
        """None: between a view and the provider's client, a token or a callback's key is in one variable or another."""
        return []


class Report(ExceptionReporter):
    """Django's report, with the addresses redacted that are secrets."""

    def get_traceback_html(self) -> str:
        return redact(super().get_traceback_html())

    def get_traceback_text(self) -> str:
        return redact(super().get_traceback_text())

"""The WSGI application of the web server."""

import importlib
import os
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lumaweb.settings")


class Request(WSGIRequest):
    """A request whose construction never fails, so that Django answers a bad one with 400."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        # For a content type with a charset, Django parses the query string here and may find too many fields in it. It
        # raises the same error again, inside the handler, for a view that reads them.
        with suppress(SuspiciousOperation):
            super()._set_content_type_params(meta)  # type: ignore[misc]  # not in django-stubs


application = get_wsgi_application()
if settings.BUCKET:
    # boto3 takes most of a second to import: do it before the fork, not in the first request of each process.
    importlib.import_module("lumaweb.object_storage")
application.request_class = Request

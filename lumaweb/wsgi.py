import importlib
import os
from contextlib import suppress

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lumaweb.settings")


class Request(WSGIRequest):
    """A request that can always be made, so that there is somebody to refuse it."""

    def _set_content_type_params(self, meta) -> None:
        # With a charset in its type Django reads the address here, and may find too many fields in it. Whoever asks for
        # them is told so again, and then it is an answer of 400 and no fault of ours.
        with suppress(SuspiciousOperation):
            super()._set_content_type_params(meta)


application = get_wsgi_application()
if settings.BUCKET:
    # It takes most of a second to load: once, before the processes part, and not in the first request of each.
    importlib.import_module("lumaweb.object_storage")
application.request_class = Request

"""Where messages to a member wait for their next page."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class _OwnCookie(CookieStorage):
    # Django has no setting for this name, and two installations on one host would delete each other's messages.
    cookie_name = settings.MESSAGES_COOKIE_NAME


class OwnMessages(FallbackStorage):
    """Keep messages in this installation's own cookie, and in the session where they are too long for it."""

    storage_classes = (_OwnCookie, SessionStorage)

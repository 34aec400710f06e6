"""Storage of the messages that a member sees on the next page."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class _NamedCookieStorage(CookieStorage):
    # Django has no setting for this name, and two installations on one host would delete each other's messages.
    cookie_name = settings.MESSAGES_COOKIE_NAME


class MessageStorage(FallbackStorage):
    """Store messages in a cookie named for this installation, and in the session if they are too long for it."""

    storage_classes = (_NamedCookieStorage, SessionStorage)

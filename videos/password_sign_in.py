"""The switch of password sign-in (LUMAWEB_PASSWORD_SIGN_IN)."""

from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


class PasswordSwitch:
    """Refuse every password before it is checked, wherever it was sent, if password sign-in is off."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        if not settings.PASSWORD_SIGN_IN:
            raise PermissionDenied

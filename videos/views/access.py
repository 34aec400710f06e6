"""Restrict views to admins, and name the backend that loads the member of a session."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.http.response import HttpResponseBase

from .requests import MemberRequest

# `login` needs one name, as several backends are configured. Sessions of all ways to sign in load their member with it.
SESSION_BACKEND = "django.contrib.auth.backends.ModelBackend"

P = ParamSpec("P")
View = Callable[Concatenate[MemberRequest, P], HttpResponseBase]


def admins_only(view: View[P]) -> View[P]:
    """Answer 403 to members who are not admins."""

    @wraps(view)
    def wrapper(request: MemberRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_superuser:
            raise PermissionDenied("Only an admin may do this.")
        return view(request, *args, **kwargs)

    return wrapper

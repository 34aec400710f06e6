"""Permissions that several admin pages share."""

from django.http import HttpRequest

from ..models import Member


def admin_of(request: HttpRequest) -> Member:
    """Return the member who sent this request; the admin site lets nobody else through."""
    assert isinstance(request.user, Member)
    return request.user


def is_admin(request: HttpRequest) -> bool:
    return request.user.is_active and request.user.is_superuser


class ReadOnly:
    """Nobody adds, changes or deletes rows here: the product's own guarded steps do."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class AdminsOnly:
    """Only admins see these rows; other staff do not."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_admin(request)

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return is_admin(request)

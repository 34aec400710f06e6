"""Collections, for deleting many at once, such as one member's."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from ..models import AuditEntry, Collection
from .access import AdminsOnly, ReadOnly, admin_of, is_admin


@admin.register(Collection)
class CollectionAdmin(AdminsOnly, ReadOnly, admin.ModelAdmin):
    list_per_page = 100
    show_full_result_count = False
    list_display = ("name", "created_by", "created_at")
    list_select_related = ("created_by",)
    list_filter = (("created_by", admin.RelatedOnlyFieldListFilter), "created_at")
    search_fields = ("name",)
    ordering = ("-pk",)
    fields = ("name", "created_by", "created_at")

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return is_admin(request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        count = queryset.count()
        super().delete_queryset(request, queryset)
        AuditEntry.objects.record(admin_of(request), f"{count} collections were deleted at once.")

"""Pages of the Django admin on which an admin removes many collections or links at once, such as one member's."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from .models import AuditEntry, Collection, Share


class ForAdminsOnly:
    """Seen by admins only, and added or changed by nobody: each has its own page for that."""

    list_per_page = 100
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_view_permission(self, request: HttpRequest, obj=None) -> bool:
        return request.user.is_superuser

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj=None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj=None) -> bool:
        return False


@admin.register(Collection)
class CollectionAdmin(ForAdminsOnly, admin.ModelAdmin):
    list_display = ("name", "created_by", "created_at")
    list_select_related = ("created_by",)
    list_filter = (("created_by", admin.RelatedOnlyFieldListFilter), "created_at")
    search_fields = ("name",)
    ordering = ("-pk",)
    fields = ("name", "created_by", "created_at")

    def has_delete_permission(self, request: HttpRequest, obj=None) -> bool:
        return request.user.is_superuser

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        count = queryset.count()
        super().delete_queryset(request, queryset)
        AuditEntry.objects.record(request.user, f"{count} collections were deleted at once.")


@admin.register(Share)
class ShareAdmin(ForAdminsOnly, admin.ModelAdmin):
    list_display = ("generation", "shared_by", "created_at", "expires_at", "revoked_at", "watched")
    list_select_related = ("generation", "shared_by")
    list_filter = (("shared_by", admin.RelatedOnlyFieldListFilter), "created_at", "expires_at")
    ordering = ("-pk",)
    fields = ("generation", "shared_by", "chain", "with_prompt", "created_at", "expires_at", "revoked_at", "watched")
    actions = ("revoke",)

    @admin.action(description="Revoke the selected links")
    def revoke(self, request: HttpRequest, queryset: QuerySet) -> None:
        # Each for itself, so that the story of its video says so.
        revoked = sum(share.revoke(request.user) for share in queryset.select_related("generation"))
        AuditEntry.objects.record(request.user, f"{revoked} links for guests were revoked at once.")
        self.message_user(request, f"Revoked {revoked}. They open nothing any more.", messages.SUCCESS)

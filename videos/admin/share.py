"""Share links, for revoking many at once, such as one member's."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from ..models import AuditEntry, Share
from .access import AdminsOnly, ReadOnly, admin_of


@admin.register(Share)
class ShareAdmin(AdminsOnly, ReadOnly, admin.ModelAdmin):
    list_per_page = 100
    show_full_result_count = False
    list_display = ("what", "shared_by", "created_at", "expires_at", "revoked_at", "watched")
    list_select_related = ("generation", "collection", "shared_by")
    list_filter = (("shared_by", admin.RelatedOnlyFieldListFilter), "created_at", "expires_at")
    ordering = ("-pk",)
    fields = (
        "title",
        "generation",
        "chain",
        "collection",
        "follows",
        "with_prompt",
        "download",
        "shared_by",
        "created_at",
        "expires_at",
        "revoked_at",
        "watched",
    )
    actions = ("revoke",)

    @admin.display(description="Shows")
    def what(self, share: Share) -> str:
        return share.title or str(share.generation or share.collection or "Several videos")

    @admin.action(description="Revoke the selected links")
    def revoke(self, request: HttpRequest, queryset: QuerySet[Share]) -> None:
        # One at a time, so that each video's timeline records it.
        revoked = sum(share.revoke(admin_of(request)) for share in queryset.select_related("generation", "collection"))
        AuditEntry.objects.record(admin_of(request), f"{revoked} links for guests were revoked at once.")
        self.message_user(request, f"Revoked {revoked} links. They no longer open anything.", messages.SUCCESS)

"""The events of all videos."""

from django.contrib import admin

from ..models import Event
from .access import ReadOnly


@admin.register(Event)
class EventAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("at", "kind", "generation_id", "member", "text", "code", "trace_id")
    list_filter = ("kind",)


class EventInline(ReadOnly, admin.TabularInline):
    model = Event
    fields = readonly_fields = ("at", "kind", "member", "text", "code", "trace_id")
    extra = 0

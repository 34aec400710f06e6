"""Columns of the list of API tokens, and read-only facts on a token's page."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.utils import timezone

from ..models import ApiToken, Pricing
from ..models.amounts import shown


def format_moment(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%-d %b %Y, %H:%M}"


class ApiTokenColumns:
    @admin.display(description="ends with")
    def ends_with(self, token: ApiToken) -> str:
        return f"…{token.last_four}" if token.last_four else "—"

    @admin.display(description="health", ordering="health")
    def condition(self, token: ApiToken) -> str:
        return token.condition

    @admin.display(description="in progress", ordering="in_flight")
    def load(self, token: ApiToken) -> str:
        is_lowered = token.limit < token.max_in_flight
        reason = f" (lowered by the provider's limit; {token.max_in_flight} are set)" if is_lowered else ""
        return f"{token.in_flight} of {token.limit}{reason}"

    @admin.display(description="today", ordering="day_used")
    def today(self, token: ApiToken) -> str:
        used = token.used_today()
        return shown(used) if token.daily_limit is None else f"{shown(used)} of {shown(token.daily_limit)}"

    @admin.display(description="this month")
    def this_month(self, token: Any) -> str:
        videos = "1 video" if token.month_videos == 1 else f"{token.month_videos} videos"
        return f"{videos}, {Pricing(currency=token.currency).amount(token.month_amount)}"

    @admin.display(description="last used")
    def last_used(self, token: ApiToken) -> str:
        return format_moment(token.last_used_at) if token.last_used_at else "Never"

    @admin.display(description="added")
    def added(self, token: ApiToken) -> str:
        return format_moment(token.created_at)

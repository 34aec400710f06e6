"""The account at the provider, for every page that shows it."""

from typing import Any

from django import template
from django.template.context import Context

from ..views.settings.account import account_context

register = template.Library()


@register.inclusion_tag("settings/_account.html", takes_context=True)
def provider_account(context: Context) -> dict[str, Any]:
    """Render balance, comparison and the platform token's forms. Only admins may see it."""
    return account_context() | {"csrf_token": context.get("csrf_token"), "request": context.get("request")}

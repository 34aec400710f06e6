"""Cards and filters, rendered once for every reader who sees the same."""

import secrets
from typing import Any

from django import template
from django.core.cache import caches
from django.template.loader import get_template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

from ..models import Generation, Member, State

register = template.Library()

# The states whose cards have a Retry button.
WITH_RETRY = {State.FAILED, State.CANCELED, State.UNCONFIRMED}

# Placeholders for what differs by reader or page; random, so that no prompt can contain one.
CSRF_TOKEN, FILTER_QUERY = (f"kept{secrets.token_hex(12)}{suffix}" for suffix in "tq")


@register.simple_tag(takes_context=True)
def card(context: template.Context, oob: bool = False) -> SafeString:
    """Render the card of `generation` in the context; `oob`: for an out-of-band swap."""
    generation, user = context["generation"], context["request"].user
    is_first = generation.pk in (context.get("first_row") or ())
    key = _cache_key(context, generation, user, oob, is_first)
    html = caches["cards"].get(key)
    if html is None:
        values = {"csrf_token": CSRF_TOKEN, "filter_query": FILTER_QUERY, "oob": oob, "is_first": is_first}
        with context.push(**values, in_dialog=False):
            html = _render("gallery/_card.html", context)
        caches["cards"].set(key, html)
    query = context.get("filter_query")
    html = html.replace(CSRF_TOKEN, conditional_escape(str(context.get("csrf_token", ""))))
    # Safe: a template rendered it, and the values put in are escaped.
    return mark_safe(html.replace(f"?{FILTER_QUERY}", f"?{conditional_escape(query)}" if query else ""))


@register.simple_tag(takes_context=True)
def retry_cost(context: template.Context, generation: Generation) -> str:
    """Return what a retry of this video costs now, with its unit."""
    pricing = context["pricing"]
    cost: str = pricing.amount(pricing.price_of(generation.action))
    return cost


@register.simple_tag(takes_context=True)
def filters(context: template.Context) -> SafeString:
    """Render the row of filters: some eighty links, which seldom change."""
    key = context["filter_bar"].cache_key
    html = caches["cards"].get(key) if key else None
    if html is None:
        html = _render("gallery/_filters.html", context)
        if key:
            caches["cards"].set(key, html)
    return mark_safe(html)  # safe: a template rendered it


def _render(name: str, context: template.Context) -> str:
    """Render a template in this context, which keeps the settings and variables of the page's own template."""
    backend: Any = get_template(name)
    html: str = backend.template.render(context)
    return html


def _cache_key(context: template.Context, generation: Generation, user: Member, *options: bool) -> str:
    """Identify everything that a card shows: the row by its version, and what it shows of other rows."""
    member, parent = generation.member, generation.parent
    shown = [
        options,
        getattr(generation, "starred", False),
        generation.member_id == user.pk,
        user.is_superuser,
        member.username,
        member.initials,
        member.hue,
        generation.is_simulated,
        generation.poster_color,
    ]
    if parent:
        shown += [parent.prompt, parent.trashed_at]
    if generation.state == State.QUEUED and (pool := context.get("pool")):
        shown.append(pool.wait)
    if generation.state in WITH_RETRY:
        shown.append(retry_cost(context, generation))
    if generation.state == State.PROCESSING:
        shown.append(str(context.get("usual")))
    return f"{generation.uuid}-{generation.version}-{hash(tuple(shown))}"

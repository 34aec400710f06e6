"""Cards, each rendered once for all who see the same of it; and the filters above them."""

import secrets
import time

from django import template
from django.core.cache import caches
from django.utils.html import conditional_escape
from django.utils.safestring import mark_safe

from ..models import State

register = template.Library()

# What is put in afterwards, as it is another for each visitor, page or moment. Nobody can write these into a prompt.
TOKEN, QUERY, NOW = (f"kept{secrets.token_hex(12)}{name}" for name in "tqn")


@register.simple_tag(takes_context=True)
def card(context: template.Context, oob: bool = False) -> str:
    """The card of `generation`, to be swapped in from out of band if asked for."""
    generation, user = context["generation"], context["request"].user
    key = _key(context, generation, user, oob)
    html = caches["cards"].get(key)
    if html is None:
        page = context.template.engine.get_template("gallery/_card.html")
        with context.push(csrf_token=TOKEN, filter_query=QUERY, now=NOW, oob=oob, in_dialog=False):
            html = page.render(context)
        caches["cards"].set(key, html)
    query = context.get("filter_query")
    html = html.replace(TOKEN, conditional_escape(context.get("csrf_token", ""))).replace(NOW, str(int(time.time())))
    # Rendered by a template, and what is put in is escaped.
    return mark_safe(html.replace(f"?{QUERY}", f"?{conditional_escape(query)}" if query else ""))


@register.simple_tag(takes_context=True)
def filters(context: template.Context) -> str:
    """The row of filters: some eighty links, which seldom change."""
    key = context["chips"].key
    html = caches["cards"].get(key) if key else None
    if html is None:
        html = context.template.engine.get_template("gallery/_filters.html").render(context)
        if key:
            caches["cards"].set(key, html)
    return mark_safe(html)  # rendered by a template


def _key(context: template.Context, generation, user, oob: bool) -> str:
    """Everything a card shows: the row by its version, and what is told of others."""
    mine, member, parent = generation.member_id == user.pk, generation.member, generation.parent
    seen = [
        oob,
        getattr(generation, "starred", False),
        mine,
        user.is_superuser,
        member.username,
        member.initials,
        member.hue,
    ]
    if parent:
        seen += [parent.prompt, parent.trashed_at]
    if generation.state == State.QUEUED and (pool := context.get("pool")):
        seen.append(pool.wait)
    if generation.state == State.PROCESSING:
        seen.append(str(context.get("usual")))
    return f"{generation.uuid}-{generation.version}-{hash(tuple(seen))}"

"""Permissions in templates."""

from django import template

from ..models import Generation, Member

register = template.Library()


@register.simple_tag(takes_context=True)
def explained(context: template.Context, generation: Generation) -> list[str]:
    """Return the sentences that explain a video to this reader."""
    member = context["request"].user
    if not (explanation := generation.explanation):
        return []
    return explanation.sentences(is_admin=member.is_superuser, may_change=generation.may_be_changed_by(member))


@register.filter
def may_be_changed_by(generation: Generation, member: Member) -> bool:
    return generation.may_be_changed_by(member)

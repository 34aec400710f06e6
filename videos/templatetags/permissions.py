"""Permissions in templates."""

from django import template

from ..models import Generation, Member

register = template.Library()


@register.filter
def may_be_changed_by(generation: Generation, member: Member) -> bool:
    return generation.may_be_changed_by(member)

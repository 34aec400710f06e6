"""The side list of the settings area."""

from typing import Any

from django import template

from ..views.settings import sections

register = template.Library()


@register.simple_tag(takes_context=True)
def settings_groups(context: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the groups of the side list: headings, and sections with `current` for the page being shown.

    `current` is the value of aria-current: "page" on the section's first page, "true" on its other pages. `count` is
    how many things need attention; None if the section counts none.
    """
    request = context["request"]
    url_name = request.resolver_match.url_name if request.resolver_match else ""
    return [
        (heading, [_entry(one, url_name) for one in listed])
        for heading, listed in sections.groups(request.user.is_superuser)
    ]


def _entry(section: sections.Section, url_name: str) -> dict[str, Any]:
    count = section.count() if section.count else None
    return {"section": section, "current": _current(section, url_name), "count": count}


def _current(section: sections.Section, url_name: str) -> str:
    if url_name == section.url_name:
        return "page"
    return "true" if section.has(url_name) else ""

"""Show findings of the doctor."""

import re

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

# Commands, variables and lines of configuration in an advice, as the doctor words them.
CODE = re.compile(
    r"manage\.py [a-z_]+(?: --[a-z-]+(?: [a-z]+)?)*"
    r"|\b(?:LUMAWEB_[A-Z0-9_]*[A-Z0-9]|DATABASE_URL|REDIS_URL)\b"
    r"|(?:proxy_set_header|client_max_body_size|chmod|timedatectl|sqlite3|createdb)(?: [^\s;,.()][^\s;,()]*)+;?"
    r"|(?:CREATE|ALTER) [A-Z]+[^;.()]*;?"
    r"|(?:smtps?|redis)://[^\s,;)]+"
)


@register.filter
def with_code(text: str) -> SafeString:
    """Escape a text, and mark its commands and variables as code."""
    parts: list[str] = []
    end = 0
    for match in CODE.finditer(text):
        parts += [format_html("{}", text[end : match.start()]), format_html("<code>{}</code>", match[0])]
        end = match.end()
    return mark_safe("".join([*parts, format_html("{}", text[end:])]))

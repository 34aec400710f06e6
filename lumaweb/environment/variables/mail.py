"""The mail server."""

from .. import services
from ..variable import Section, Variable

EMAIL_URL = Variable(
    name="LUMAWEB_EMAIL_URL",
    parse=services.mail,
    meaning="the mail server: `smtp://user:password@host:587` (STARTTLS), `smtps://user:password@host` (TLS), "
    "`smtp+insecure://127.0.0.1` (none). Percent-encode special characters in the password: `@` is `%40`",
    default_meaning="none: admins copy links from the page",
    example="smtp://user:password@mail.example.com:587",
    is_secret=True,
)
EMAIL_FROM = Variable(
    name="LUMAWEB_EMAIL_FROM",
    parse=services.sender,
    meaning="the sender: `Lumaweb <films@example.com>`",
    default_meaning="none; required with `LUMAWEB_EMAIL_URL`",
    example="Lumaweb <films@example.com>",
)

SECTION = Section(
    "Mail",
    "docs/operator/configuration.md",
    (
        EMAIL_URL,
        EMAIL_FROM,
    ),
)

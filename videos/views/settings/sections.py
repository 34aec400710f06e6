"""The side list of the settings area."""

from collections.abc import Callable
from dataclasses import dataclass

from ...models import ApiToken, Health, HealthReport


@dataclass(frozen=True)
class Section:
    """An entry of the side list: the page it opens, and the other pages that belong to it, by URL name."""

    label: str
    url_name: str
    icon: str  # A name of the heroicons package.
    pages: frozenset[str] = frozenset()
    admins_only: bool = True
    # The number of problems on the page.
    count: Callable[[], int] | None = None

    def has(self, url_name: str) -> bool:
        """Tell whether a page belongs to this section."""
        return url_name == self.url_name or url_name in self.pages


def health_problems() -> int:
    """Count the problems of the doctor's last run."""
    return HealthReport.objects.current().problems


def token_problems() -> int:
    """Count the enabled API tokens that an admin has to fix."""
    return ApiToken.objects.filter(enabled=True, health__in=[Health.USED_UP, Health.INVALID]).count()


# The section's pages, and the actions that render the form again after an error.
PROVIDER_PAGES = frozenset(
    {"provider-tokens", "provider-test", "provider-address", "provider-token-secret", "provider-token-settings"}
    | {"missing", "provider-account", "provider-account-warning"}
)
YOU = (Section("Profile", "profile", "user-circle", frozenset({"password"}), admins_only=False),)
INSTALLATION = (
    Section("Provider", "provider", "bolt", PROVIDER_PAGES, count=token_problems),
    Section(
        "Team",
        "team",
        "users",
        frozenset({"audit-log", "invitations", "member", "member-limit", "member-password", "shares"}),
        admins_only=False,
    ),
    Section("Budget", "pricing", "banknotes"),
    Section(
        "Storage and backups",
        "storage",
        "archive-box",
        frozenset({"storage-limits", "storage-rejected", "backup-schedule", "backup-download"}),
    ),
    Section("Sign-in", "sign-in", "key", frozenset({"sign-in-check"})),
    Section("Mail", "mail", "envelope"),
    Section("Health", "health", "heart", count=health_problems),
)


def groups(is_admin: bool) -> list[tuple[str, list[Section]]]:
    """Return the sections that a member may open, in groups with their headings."""
    listed = (("You", YOU), ("Installation", INSTALLATION))
    return [(heading, [one for one in sections if is_admin or not one.admins_only]) for heading, sections in listed]

"""The command menu: everything that a member can go to or start."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from ..models import Collection, Member
from .requests import MemberRequest
from .settings import sections

# Entries in the list. The pages of the team and the collections list the others.
MAX_MEMBERS, MAX_COLLECTIONS = 500, 1000


@dataclass(frozen=True, slots=True)
class Command:
    """A link, or an action of command-menu.js, or both. The menu also finds it by `words`; `hint` names its kind."""

    label: str
    icon: str
    url: str = ""
    action: str = ""
    hint: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Commands under a heading. Without a search the menu shows the first `shown` of them."""

    heading: str
    commands: list[Command]
    shown: int = 100


@require_GET
def commands(request: MemberRequest) -> HttpResponse:
    """List pages, members and collections for the command menu, or without JavaScript as a page of links."""
    groups = [_actions(), _pages(request.user), _settings(request.user), _members(), _collections()]
    context = {"groups": [group for group in groups if group.commands]}
    return render(request, "commands/_commands.html" if request.htmx else "commands/commands.html", context)


def _actions() -> Group:
    studio, picker = reverse("studio"), reverse("video-picker")
    return Group(
        "Actions",
        [
            Command("New video", "plus", f"{studio}#new", "new", words="generate create prompt"),
            Command("Extend a video", "extend", f"{picker}?side=extend", "extend", words="continue"),
            Command("Dark theme", "dark", action="theme-dark", words="appearance night mode"),
            Command("Light theme", "light", action="theme-light", words="appearance day mode"),
            Command("System theme", "system", action="theme-", words="appearance automatic mode"),
            Command("Keyboard shortcuts", "keys", action="shortcuts", words="help keys"),
            Command("Log out", "leave", action="logout", words="sign out leave"),
        ],
    )


def _pages(member: Member) -> Group:
    studio = reverse("studio")
    mine = urlencode({"member": member.username})
    return Group(
        "Pages",
        [
            Command("Studio", "film", studio, words="home gallery all videos"),
            Command("My videos", "person", f"{studio}?{mine}", words="mine"),
            Command("Starred videos", "star", f"{studio}?starred=1", words="favourites favorites"),
            Command("Failed videos", "warning", f"{studio}?state=failed", words="errors"),
            Command("Collections", "folder", reverse("collections"), words="projects folders"),
            Command("Trash", "trash", reverse("trash"), words="deleted bin restore"),
            Command("Usage", "usage", reverse("usage"), words="credits spent costs statistics"),
            Command("Earlier prompts", "undo", reverse("prompts"), words="history"),
        ],
    )


def _settings(member: Member) -> Group:
    """List the settings that this member may open."""
    listed = [
        Command(section.label, "settings", reverse(section.url_name), hint="Settings", words="settings")
        for _, found in sections.groups(member.is_superuser)
        for section in found
    ]
    if member.is_superuser:
        listed += [
            Command("Share links", "link", reverse("shares"), hint="Settings", words="guests"),
            Command("Audit log", "info", reverse("audit-log"), hint="Settings", words="changes history"),
            Command("Missing videos", "unknown", reverse("missing"), hint="Settings", words="adopt provider"),
            Command("Django admin", "admin", reverse("admin:index"), words="database"),
        ]
    return Group("Settings", listed)


def _members() -> Group:
    rows = Member.objects.filter(is_active=True).order_by("username")[:MAX_MEMBERS]
    studio = reverse("studio")
    return Group(
        "Members",
        [
            Command(
                row.get_full_name() or row.username,
                "person",
                f"{studio}?{urlencode({'member': row.username})}",
                hint="Member",
                words=row.username,
            )
            for row in rows
        ],
        shown=5,
    )


def _collections() -> Group:
    rows = Collection.objects.in_order()[:MAX_COLLECTIONS]
    return Group(
        "Collections",
        [Command(row.name, "folder", row.get_absolute_url(), hint="Collection") for row in rows],
        shown=5,
    )

"""All pages with their addresses, so that no check of every page leaves one out."""

from pathlib import Path

from ..support.permission_rules import RULES

BROWSER_TESTS = Path(__file__).parent

# The addresses that an admin opens, by URL name. The fixture `known` has the values of the names in them.
PAGES: dict[str, tuple[str, ...]] = {
    "studio": ("/", "/?q=nothing+is+called+this&state=failed"),
    "generation": ("/generations/{child}/", "/generations/{refused}/", "/generations/{missing}/"),
    "extend": ("/generations/{ready}/extend/",),
    "reuse": ("/generations/{refused}/reuse/",),
    "video-picker": ("/clips/?side=end",),
    "prompts": ("/prompts/",),
    "collections": ("/collections/",),
    "trash": ("/trash/",),
    "compare": ("/compare/?v={ready}&v={child}",),
    "shares-of": ("/generations/{ready}/shares/",),
    "shares": ("/team/shares/",),
    "own-shares": ("/shares/",),
    "profile": ("/profile/",),
    "team": ("/team/",),
    "member": ("/team/1/",),
    "audit-log": ("/team/changes/",),
    "pricing": ("/team/budget/",),
    "usage": ("/usage/",),
    "provider": ("/provider/",),
    "missing": ("/provider/missing/",),
    "provider-account": ("/provider/account/",),
    "health": ("/settings/health/",),
    "storage": ("/settings/storage/",),
    "storage-rejected": ("/settings/storage/rejected/",),
    "backup-download": ("/settings/storage/backups/{backup}/download/",),
    "sign-in": ("/settings/sign-in/",),
    "mail": ("/settings/mail/",),
}
# Pages without the frame: the studio and a video.
UNFRAMED = {"studio", "generation", "extend", "reuse"}
# Framed pages that use the whole width of the window.
WIDE = {"compare"}
SIGNED_OUT_PAGES = {"login": "/login/", "password_reset": "/password/", "password_reset_done": "/password/sent/"}
# Pages that need a link or a separate installation, and the test that checks each.
CHECKED_BY = {
    "guest": "test_share.py",
    "invitation": "test_team.py",
    "sign-in-link": "test_team.py",
    "shares-of-collection": "test_share_videos.py",
    "commands": "test_command_menu.py",
}
# Files, and parts that a page loads into itself.
NO_PAGES = {
    "updates", "compare-updates", "menu", "video", "thumbnail", "poster", "frame", "provider-frame", "provider-video",
    "guest-video", "guest-poster", "guest-zip", "usage-csv", "audit-log-csv", "health-text", "healthz", "robots",
}  # fmt: skip
# Templates with a dialog, and the test that opens it for axe.
DIALOGS = {
    "_keyboard_shortcuts.html": "test_accessibility.py",
    "generation/_dialog.html": "test_accessibility.py",
    "generation/_chain_player.html": "test_video_page.py",
    "shares/_guest_player.html": "test_share_videos.py",
}


def named_pages() -> set[str]:
    """Return the URL names of all addresses that answer a GET with content, except those of the Django admin."""
    return {
        name
        for name, results in RULES.items()
        if not name.startswith(("admin:", "admin/"))
        and any(method == "GET" and result == "seen" for (method, _), result in results.items())
    }


def page_paths(known: dict[str, str]) -> list[str]:
    """Return all addresses of PAGES; `known`: the values of the names in them."""
    return [path.format_map(known) for paths in PAGES.values() for path in paths]


def wide_paths(known: dict[str, str]) -> list[str]:
    return [path.format_map(known) for name in sorted(WIDE) for path in PAGES[name]]


def framed_paths(known: dict[str, str]) -> list[str]:
    """Return the addresses of the pages with the frame of page.html in one width, and one that does not exist."""
    framed = [path for name, paths in PAGES.items() if name not in UNFRAMED | WIDE for path in paths]
    return [path.format_map(known) for path in (*framed, "/commands/", "/nowhere/")]

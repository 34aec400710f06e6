"""All pages with their addresses, so that no check of every page leaves one out."""

from pathlib import Path

from ..support.permission_rules import RULES

BROWSER_TESTS = Path(__file__).parent

# The addresses that an admin opens, by URL name; {ready}, {child} and {refused} are videos, {backup} is a backup.
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
SIGNED_OUT_PAGES = {"login": "/login/", "password_reset": "/password/", "password_reset_done": "/password/sent/"}
# Pages that need a link or an installation of their own, and the test that checks each.
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
    """Return the URL names of all addresses that show somebody something, the Django admin's aside."""
    return {
        name
        for name, results in RULES.items()
        if not name.startswith(("admin:", "admin/"))
        and any(method == "GET" and result == "seen" for (method, _), result in results.items())
    }


def framed_paths(video: str) -> tuple[str, ...]:
    """Return the addresses of the pages that share one frame; `video`: the UUID of a finished video.

    All but the studio, a video and a comparison.
    """
    return (
        *("/team/", "/team/1/", "/team/budget/", "/team/changes/", "/team/shares/", "/usage/", "/profile/"),
        *("/provider/", "/provider/missing/", "/provider/account/", "/settings/health/", "/settings/storage/"),
        *("/settings/storage/rejected/", "/settings/sign-in/", "/settings/mail/", "/collections/", "/trash/"),
        *("/prompts/", "/clips/?side=end", f"/generations/{video}/shares/", "/nowhere/"),
    )

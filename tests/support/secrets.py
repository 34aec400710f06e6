"""List the secrets of an installation and search for them."""

from django.conf import settings as installation

from .endpoints import Team

# Stands for a secret in requests, and is then searched for in what Lumaweb writes.
MARKER = "markedMARKEDmarkedMARKEDmarkedMARKEDmarked0"


def secrets_of(team: Team) -> dict[str, str]:
    """Return all secrets of this process."""
    return {
        "token": team.token.secret,
        "platform token": team.account.secret,
        "secret key": installation.SECRET_KEY,
        "encryption key": installation.ENCRYPTION_KEYS[0],
        "callback key": team.callback_key,
        "frame path": team.frame_key,
        "video path": team.video_key,
        "share link": team.share.key,
        "share link to several videos": team.shared_set.key,
        "invitation": team.invitation_key,
        "new password": team.eve_s_token,
    }


def found_in(text: str, secrets: dict[str, str]) -> list[str]:
    assert all(len(secret) > 8 for secret in secrets.values())
    return [name for name, secret in secrets.items() if secret in text]

"""The tokens in password links."""

from django.contrib.auth.tokens import PasswordResetTokenGenerator

from .models import Member


class PasswordLinkTokens(PasswordResetTokenGenerator):
    """Create tokens that expire on a change of password or address, a deactivation, or a sign-out everywhere."""

    def check_token(self, user: Member | None, token: str | None) -> bool:
        """Return whether this token is valid for this account and the account is active."""
        return bool(user and user.is_active) and super().check_token(user, token)

    def _make_hash_value(self, user: Member, timestamp: int) -> str:
        # A deactivation increments `session_version`, so that older links stay invalid after a reactivation.
        return f"{super()._make_hash_value(user, timestamp)}{user.session_version}"


password_link_tokens = PasswordLinkTokens()

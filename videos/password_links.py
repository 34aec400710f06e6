"""The tokens in links to a new password."""

from django.contrib.auth.tokens import PasswordResetTokenGenerator

from .models import Member


class PasswordLinkTokens(PasswordResetTokenGenerator):
    """Make tokens that end with the password, the e-mail address, a deactivation, or a sign-out everywhere."""

    def check_token(self, user: Member | None, token: str | None) -> bool:
        """Return whether this token opens this account, which has to be active."""
        return bool(user and user.is_active) and super().check_token(user, token)

    def _make_hash_value(self, user: Member, timestamp: int) -> str:
        # A deactivation counts `sign_ins` up, so its links stay dead after the account is activated again.
        return f"{super()._make_hash_value(user, timestamp)}{user.sign_ins}"


password_link_tokens = PasswordLinkTokens()

"""API tokens and the accounts behind them."""

import hashlib
import re
from dataclasses import dataclass

from .contract import ApiError, too_many_requests
from .control import Control
from .ledger import Ledger

SERVED = re.compile(r"sandbox(-.+)?")
USED_UP, LIMITED, REVOKED_LATER = "sandbox-used-up", "sandbox-limited", "sandbox-revoked-later"


@dataclass(frozen=True, slots=True)
class Account:
    """A caller. `sandbox-a` and `sandbox-a:2` are two tokens of one account, which hash stands for."""

    token: str

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.token.partition(":")[0].encode()).hexdigest()

    def require_first(self, ledger: Ledger) -> None:
        """Refuse a token that serves one request, if there was one."""
        if self.token == REVOKED_LATER and ledger.has_tasks(self.hash):
            raise ApiError(401, "invalid_token", "the token has been revoked")

    @property
    def is_used_up(self) -> bool:
        return self.token == USED_UP


def bearer(authorization: str) -> str:
    """Read the token out of an Authorization header; ApiError when there is none."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ApiError(401, "no_token", "an Authorization header with a Bearer token is required")
    return token.strip()


def authenticate(authorization: str, ledger: Ledger, control: Control) -> Account:
    """Return the account of an API token; ApiError when the token may not call at all."""
    token = bearer(authorization)
    if not SERVED.fullmatch(token):
        raise ApiError(401, "invalid_token", "the token is not valid")
    account = Account(token)
    if control.is_revoked(token):
        raise ApiError(401, "invalid_token", "the token has been revoked")
    account.require_first(ledger)
    if token == LIMITED:
        raise too_many_requests()
    return account

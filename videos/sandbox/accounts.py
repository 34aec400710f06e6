"""API tokens and the accounts they belong to."""

import hashlib
import re
from dataclasses import dataclass

from .control import Control
from .errors import ApiError, too_many_requests
from .ledger import Ledger

VALID_TOKEN = re.compile(r"sandbox(-.+)?")
USED_UP, LIMITED, REVOKED_LATER = "sandbox-used-up", "sandbox-limited", "sandbox-revoked-later"


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a token: `sandbox-a` and `sandbox-a:2` are two tokens of one account."""

    token: str

    @property
    def hash(self) -> str:
        """Return the hash of the account's name, which identifies it in the ledger."""
        return hashlib.sha256(self.token.partition(":")[0].encode()).hexdigest()

    @property
    def is_used_up(self) -> bool:
        return self.token == USED_UP

    def check_first_request(self, ledger: Ledger) -> None:
        """Raise ApiError for the token that is valid for one task only, once that exists."""
        if self.token == REVOKED_LATER and ledger.has_tasks(self.hash):
            raise ApiError(401, "invalid_token", "the token has been revoked")


def parse_bearer_token(authorization: str) -> str:
    """Return the token of an Authorization header; raise ApiError if there is none."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ApiError(401, "no_token", "an Authorization header with a Bearer token is required")
    return token.strip()


def authenticate(authorization: str, ledger: Ledger, control: Control) -> Account:
    """Return the account of an Authorization header; raise ApiError if its token may not call the API."""
    token = parse_bearer_token(authorization)
    if not VALID_TOKEN.fullmatch(token):
        raise ApiError(401, "invalid_token", "the token is not valid")
    account = Account(token)
    if control.is_revoked(token):
        raise ApiError(401, "invalid_token", "the token has been revoked")
    account.check_first_request(ledger)
    if token == LIMITED:
        raise too_many_requests()
    return account

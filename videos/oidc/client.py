"""The relying party: authorization requests, the exchange of codes, and the checks of ID tokens."""

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from .errors import Problem, SignInError
from .http import get_json, post_form
from .metadata import Metadata, fetch_keys, fetch_metadata

METADATA_SECONDS = 3600.0
FAILURE_SECONDS = 5.0  # do not ask an unreachable provider at every click
# An unknown key ID means that the provider has new keys; do not fetch them more often than this.
KEYS_AGAIN_SECONDS = 10.0
CLOCK_LEEWAY = 120  # seconds
GROUP_CLAIMS = ("groups", "roles")
MAX_EMAIL = 254  # characters; RFC 5321 allows no longer address

Value = TypeVar("Value")


@dataclass(frozen=True)
class Identity:
    """An account at the provider. `issuer` and `subject` identify it; the other fields describe the person."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    username: str
    first_name: str
    last_name: str
    groups: frozenset[str]

    @property
    def domain(self) -> str:
        """The domain of the email address in lower case, "" if the provider has not verified the address."""
        return self.email.rpartition("@")[2].lower() if self.email_verified else ""


class _Cached(Generic[Value]):
    """A fetched value, reused for an hour; a failure is raised again for a few seconds."""

    def __init__(self, fetch: Callable[[], Value]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._value: Value | None = None
        self._error: SignInError | None = None
        self._at = 0.0

    def get(self, *, newer_than: float = METADATA_SECONDS) -> Value:
        """Return the value, fetched again if it is older than this many seconds. Raises SignInError."""
        with self._lock:
            age = time.monotonic() - self._at
            is_fresh = age < (FAILURE_SECONDS if self._error else newer_than)
            if not is_fresh or (self._value is None and self._error is None):
                self._value, self._error, self._at = self._fetched()
            if self._error:
                raise SignInError(self._error.problem, str(self._error))
            assert self._value is not None
            return self._value

    def _fetched(self) -> tuple[Value | None, SignInError | None, float]:
        try:
            return self._fetch(), None, time.monotonic()
        except SignInError as error:
            return None, error, time.monotonic()


class Provider:
    """One OpenID provider, with this installation as its client. Threads share it."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, redirect_uri: str) -> None:
        self._client_id, self._client_secret, self._redirect_uri = client_id, client_secret, redirect_uri
        self._metadata = _Cached(lambda: fetch_metadata(issuer))
        self._keys = _Cached(lambda: fetch_keys(self.metadata()))

    def metadata(self) -> Metadata:
        """Return the discovery document's content. Raises SignInError."""
        return self._metadata.get()

    def authorization_url(self, *, state: str, nonce: str, verifier: str, groups: bool = False) -> str:
        """Return the address at which the member signs in. Raises SignInError."""
        metadata = self.metadata()
        scope = ["openid", "email", "profile"]
        if groups and "groups" in metadata.scopes:
            scope.append("groups")
        address: str = prepare_grant_uri(
            metadata.authorization_endpoint,
            self._client_id,
            "code",
            redirect_uri=self._redirect_uri,
            scope=scope,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return address

    def identify(self, code: str, *, nonce: str, verifier: str, groups: bool = False) -> Identity:
        """Exchange a code for an ID token, check it, and return its identity. Raises SignInError.

        groups: whether to look the groups up at the userinfo endpoint if the token does not name them.
        """
        metadata = self.metadata()
        answer = self._exchange(metadata, code, verifier)
        access_token = answer.get("access_token")
        claims = self._claims(metadata, answer.get("id_token"), nonce, access_token)
        is_complete = "email" in claims and (not groups or any(name in claims for name in GROUP_CLAIMS))
        if not is_complete and metadata.userinfo_endpoint and isinstance(access_token, str):
            claims = _more_claims(metadata, access_token, claims)
        return _identity(metadata.issuer, claims)

    def _exchange(self, metadata: Metadata, code: str, verifier: str) -> dict[str, Any]:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        headers = {"Accept": "application/json"}
        if not self._client_secret:
            fields["client_id"] = self._client_id
        elif "client_secret_basic" in metadata.auth_methods or "client_secret_post" not in metadata.auth_methods:
            pair = f"{quote(self._client_id, safe='')}:{quote(self._client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            fields |= {"client_id": self._client_id, "client_secret": self._client_secret}
        answer = post_form(metadata.token_endpoint, fields, headers)
        if answer.status == 200:
            return answer.document
        error = str(answer.document.get("error", ""))[:60]
        if error in ("invalid_client", "unauthorized_client"):
            raise SignInError(
                Problem.WRONG_ANSWER,
                f"The identity provider does not accept the client ID or secret ({error}). Check "
                "LUMAWEB_OIDC_CLIENT_ID and LUMAWEB_OIDC_CLIENT_SECRET.",
            )
        if answer.status >= 500:
            raise SignInError(Problem.UNREACHABLE, f"{metadata.token_endpoint} answers {answer.status}.")
        raise SignInError(Problem.REFUSED, f"{metadata.token_endpoint} answers {answer.status} {error}.")

    def _claims(self, metadata: Metadata, id_token: object, nonce: str, access_token: object) -> dict[str, Any]:
        if not isinstance(id_token, str):
            raise SignInError(Problem.WRONG_ANSWER, "The answer of the token endpoint has no ID token.")
        try:
            token = self._decoded(metadata, id_token)
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "value": metadata.issuer},
                    "aud": {"essential": True, "value": self._client_id},
                    "sub": {"essential": True},
                    "exp": {"essential": True},
                    "iat": {"essential": True},
                },
                {"nonce": nonce, "client_id": self._client_id, "access_token": access_token},
            )
            claims.validate(leeway=CLOCK_LEEWAY)
        except (JoseError, ValueError, TypeError) as error:
            detail = getattr(error, "description", "") or str(error)
            raise SignInError(
                Problem.INVALID_TOKEN, f"The ID token is not valid: {type(error).__name__} {detail[:150]}"
            ) from None
        return dict(claims)

    def _decoded(self, metadata: Metadata, id_token: str) -> jwt.Token:
        """Verify the signature; on failure try again with fresh keys, as the provider may have rotated them."""
        try:
            return self._verified(metadata, id_token, self._keys.get())
        except (JoseError, ValueError):
            return self._verified(metadata, id_token, self._keys.get(newer_than=KEYS_AGAIN_SECONDS))

    def _verified(self, metadata: Metadata, id_token: str, keys: KeySet) -> jwt.Token:
        return jwt.decode(id_token, keys, algorithms=list(metadata.algorithms))


def _more_claims(metadata: Metadata, access_token: str, claims: dict[str, Any]) -> dict[str, Any]:
    """Add the claims of the userinfo endpoint; those of the signed token take precedence."""
    more = get_json(metadata.userinfo_endpoint, bearer=access_token)
    if more.get("sub") != claims["sub"]:
        raise SignInError(Problem.INVALID_TOKEN, "The userinfo endpoint answers for another subject.")
    # `email_verified` counts only for the address in the same document.
    (more if "email" in claims else claims).pop("email_verified", None)
    return more | claims


def _identity(issuer: str, claims: dict[str, Any]) -> Identity:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
        raise SignInError(Problem.INVALID_TOKEN, "The ID token has no usable subject.")
    email = _line(claims, "email", 1000)
    # Drop a longer one instead of cutting it, which could change its domain.
    email = email if len(email) <= MAX_EMAIL else ""
    return Identity(
        issuer=issuer,
        subject=subject,
        email=email,
        email_verified="@" in email and claims.get("email_verified") in (True, "true"),
        username=_line(claims, "preferred_username", 150) or email,
        first_name=_line(claims, "given_name", 150) or _line(claims, "name", 150),
        last_name=_line(claims, "family_name", 150) if claims.get("given_name") else "",
        groups=frozenset().union(*(_groups(claims.get(name)) for name in GROUP_CLAIMS)),
    )


def _line(claims: dict[str, Any], name: str, length: int) -> str:
    value = claims.get(name)
    text = " ".join(value.split()) if isinstance(value, str) else ""
    return text[:length] if text.isprintable() else ""


def _groups(value: object) -> frozenset[str]:
    """Return the names of groups; a path such as /admins also counts as its name without the slash."""
    names = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return frozenset(name.removeprefix("/") for name in names if isinstance(name, str))

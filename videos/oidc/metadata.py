"""The provider's discovery document and its signing keys."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

from .errors import Problem, SignInError
from .http import get_json

# Signed with a private key. Not HS256, which signs with the client secret, and never "none".
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True)
class Metadata:
    """What Lumaweb needs of a discovery document."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    algorithms: tuple[str, ...]
    auth_methods: tuple[str, ...]
    scopes: frozenset[str]
    says_pkce: bool


def fetch_metadata(issuer: str) -> Metadata:
    """Read the discovery document. Raises SignInError."""
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    return read_metadata(issuer, get_json(url))


def read_metadata(issuer: str, document: dict[str, Any]) -> Metadata:
    """Check a discovery document and return what Lumaweb needs of it. Raises SignInError."""
    announced = document.get("issuer")
    # Providers do not agree on the last slash, and people copy the address either way.
    if not isinstance(announced, str) or announced.rstrip("/") != issuer.rstrip("/"):
        raise _wrong(f"The discovery document is of the issuer {announced!r}, not {issuer!r}. Set LUMAWEB_OIDC_ISSUER.")
    response_types = _words(document, "response_types_supported")
    if response_types and "code" not in response_types:
        raise _wrong("The provider does not support the authorization code flow.")
    algorithms = _words(document, "id_token_signing_alg_values_supported") or ("RS256",)
    usable = tuple(name for name in algorithms if name in ALGORITHMS)
    if not usable:
        raise _wrong(
            f"The provider signs ID tokens only with {', '.join(algorithms)}. Let it sign with RS256 or ES256."
        )
    return Metadata(
        issuer=announced,
        authorization_endpoint=_endpoint(document, "authorization_endpoint"),
        token_endpoint=_endpoint(document, "token_endpoint"),
        jwks_uri=_endpoint(document, "jwks_uri"),
        userinfo_endpoint=_endpoint(document, "userinfo_endpoint") if document.get("userinfo_endpoint") else "",
        algorithms=usable,
        auth_methods=_words(document, "token_endpoint_auth_methods_supported") or ("client_secret_basic",),
        scopes=frozenset(_words(document, "scopes_supported")),
        says_pkce="S256" in _words(document, "code_challenge_methods_supported"),
    )


def fetch_keys(metadata: Metadata) -> KeySet:
    """Read the signing keys; skip those of kinds that joserfc does not know. Raises SignInError."""
    entries = get_json(metadata.jwks_uri).get("keys")
    keys = []
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or entry.get("kty") == "oct":
            continue
        try:
            keys.append(JWKRegistry.import_key(entry))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    if not keys:
        raise _wrong(f"{metadata.jwks_uri} has no key to verify signatures with.")
    return KeySet(keys)


def _wrong(message: str) -> SignInError:
    return SignInError(Problem.WRONG_ANSWER, message)


def _words(document: dict[str, Any], name: str) -> tuple[str, ...]:
    value = document.get(name)
    return tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else ()


def _endpoint(document: dict[str, Any], name: str) -> str:
    """Return an address of the discovery document: https, or http on this machine."""
    value = document.get(name)
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        host = parts.hostname or ""
        parts.port  # noqa: B018  (raises ValueError for a bad port)
    except ValueError:
        host = ""
    is_safe = host and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK))
    if not is_safe or parts.fragment or not str(value).isprintable():
        raise _wrong(f"The discovery document has no usable {name}: {value!r}.")
    return str(value)

"""An OpenID provider on loopback: discovery, keys, authorization, tokens and userinfo over real HTTP, real signatures.

Tests change what it answers: `claims` of the person who signs in, `tamper` for an ID token before it is signed, and the
signing key. It checks what a provider checks: redirect URI, client secret, PKCE, and that a code is used once.
"""

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID, CLIENT_SECRET = "lumaweb", "a-secret-of-the-client"
ADA = {"sub": "ada-1815", "email": "ada@films.example", "email_verified": True, "given_name": "Ada"}


@cache
def first_key() -> RSAKey:
    return new_key()


def new_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig", "alg": "RS256"})


class OpenIDProvider:
    def __init__(self) -> None:
        self.claims: dict[str, Any] = dict(ADA)
        self.tamper: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda claims: claims
        self.headers: dict[str, Any] = {}
        self.answers: dict[str, tuple[int, bytes]] = {}  # by path: answered instead of the usual
        self.userinfo_only: tuple[str, ...] = ()  # claims that the ID token lacks
        self.metadata: dict[str, Any] = {}
        self.asks = False  # whether /authorize shows a page with a button
        self.requests: list[str] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        self.key = first_key()
        provider = self

        class Handler(_Handler):
            openid = provider

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}/realms/team"
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def rotate_key(self) -> None:
        self.key = new_key()

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            **{f"{name}_endpoint": f"{self.issuer}/{name}" for name in ("authorization", "token", "userinfo")},
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "email", "profile", "groups"],
            **self.metadata,
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Return where a browser is sent after the person has signed in here."""
        assert asked["client_id"] == CLIENT_ID and asked["response_type"] == "code", asked
        assert asked["code_challenge_method"] == "S256" and "openid" in asked["scope"].split(), asked
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}"

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        asked = self.codes.pop(form.get("code", ""), None)
        scheme, _, encoded = authorization.partition(" ")
        pair = base64.b64decode(encoded).decode() if scheme == "Basic" else ":"
        client_id, _, secret = pair.partition(":")
        if (unquote(client_id), unquote(secret)) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if not asked or asked["redirect_uri"] != form["redirect_uri"] or asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        access_token = secrets.token_urlsafe(16)
        self.tokens[access_token] = self.claims
        return 200, {"access_token": access_token, "token_type": "Bearer", "id_token": self.id_token(asked["nonce"])}

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        described = {name: value for name, value in self.claims.items() if name not in self.userinfo_only}
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce, **described}
        claims = self.tamper(claims) or claims
        return jwt.encode({"alg": "RS256", "kid": self.key.kid, **self.headers}, claims, self.key)


class _Handler(BaseHTTPRequestHandler):
    openid: OpenIDProvider
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        openid, parts = self.openid, urlsplit(self.path)
        openid.requests.append(parts.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        name = parts.path.removeprefix("/realms/team/")
        if name in openid.answers:
            self.answer(*openid.answers[name])
        elif name == ".well-known/openid-configuration":
            self.answer(200, openid.document())
        elif name == "keys":
            self.answer(200, KeySet([openid.key]).as_dict(private=False))
        elif name == "authorization" and openid.asks and "approved" not in asked:
            fields = "".join(
                f'<input type="hidden" name="{html.escape(key)}" value="{html.escape(value)}">'
                for key, value in asked.items()
            )
            button = '<button name="approved" value="1">Continue as Ada</button>'
            page = f"<title>Provider</title><form>{fields}{button}</form>"
            self.answer(200, page.encode(), "text/html")
        elif name == "authorization":
            self.send_response(302)
            self.send_header("Location", openid.authorize(asked))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif name == "userinfo":
            claims = openid.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
            self.answer(200 if claims else 401, claims or {"error": "invalid_token"})
        else:
            self.answer(404, {"error": "not_found"})

    def do_POST(self) -> None:
        self.openid.requests.append(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        name = urlsplit(self.path).path.removeprefix("/realms/team/")
        if name in self.openid.answers:
            self.answer(*self.openid.answers[name])
        else:
            self.answer(*self.openid.exchange(form, self.headers.get("Authorization", "")))

    def answer(self, status: int, content: Any, kind: str = "application/json") -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        with suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass

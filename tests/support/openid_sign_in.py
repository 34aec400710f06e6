"""Sign in with the OpenID provider of the tests, step by step."""

import re
import time
from urllib.parse import urlsplit

import httpx

from videos.models import ExternalIdentity

from .openid_provider import ADA, CLIENT_ID

SITE = "http://testserver"


def begin(client, path="/oidc/") -> str:
    """Return the address at the provider to which a page leads."""
    answer = client.get(path)
    assert answer.status_code == 302, answer.content.decode()
    return answer["Location"]


def approve(address) -> str:
    """Sign in at the provider; return the path and query of the callback."""
    answer = httpx.get(address, trust_env=False)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["Location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == f"{SITE}/oidc/callback/"
    return f"{back.path}?{back.query}"


def sign_in(client, path="/oidc/"):
    return client.get(approve(begin(client, path)))


def linked(member, provider, subject=ADA["sub"]) -> ExternalIdentity:
    return ExternalIdentity.objects.create(member=member, issuer=provider.issuer, subject=subject)


def words_of(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode().split("<main")[1]).split())


# ── What cannot be trusted ───────────────────────────────────────────────────────────────────────────────────────────


def claims_of(provider, nonce):
    now = int(time.time())
    return {"iss": provider.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce, **provider.claims}


def claims(**changes):
    def tamper(provider):
        provider.tamper = lambda said: {name: value for name, value in (said | changes).items() if value is not None}

    return tamper

"""ID tokens, states, nonces and codes that are wrong, late or of somebody else."""

import hmac
import json
import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import get_user
from django.core import signing
from django.test import Client
from joserfc import jwt
from joserfc.jwk import RSAKey

from videos.views import oidc

from ...support.factories import a_member
from ...support.openid_provider import CLIENT_ID, CLIENT_SECRET
from ...support.openid_sign_in import approve, begin, claims, claims_of, linked, sign_in, words_of

pytestmark = pytest.mark.django_db


def hs256(provider):
    """Sign with the public key as a shared secret, which confuses verifiers that let the token choose."""

    def id_token(nonce):
        header = signing.b64_encode(json.dumps({"alg": "HS256", "kid": provider.key.kid}).encode())
        payload = signing.b64_encode(json.dumps(claims_of(provider, nonce)).encode())
        mac = hmac.digest(provider.key.as_pem(private=False), header + b"." + payload, "sha256")
        return b".".join([header, payload, signing.b64_encode(mac)]).decode()

    provider.id_token = id_token


def unsigned(provider):
    provider.metadata["id_token_signing_alg_values_supported"] = ["none", "RS256"]

    def id_token(nonce):
        signed = jwt.encode({"alg": "RS256"}, claims_of(provider, nonce), provider.key)
        header = signing.b64_encode(b'{"alg":"none"}').decode()
        return f"{header}.{signed.split('.')[1]}."

    provider.id_token = id_token


def another_key(provider):
    key = RSAKey.generate_key(2048, {"kid": provider.key.kid})
    provider.id_token = lambda nonce: jwt.encode(
        {"alg": "RS256", "kid": provider.key.kid}, claims_of(provider, nonce), key
    )


TAMPERED = {
    "wrong nonce": claims(nonce="of-another-browser"),
    "no nonce": claims(nonce=None),
    "wrong audience": claims(aud="another-client"),
    "two audiences and no authorized party": claims(aud=[CLIENT_ID, "other"]),
    "another authorized party": claims(azp="other"),
    "wrong issuer": claims(iss="https://evil.example"),
    "expired": claims(iat=1_700_000_000, exp=1_700_000_300),
    "no expiry": claims(exp=None),
    "from the future": claims(iat=4_000_000_000),
    "no subject": claims(sub=None),
    "empty subject": claims(sub=""),
    "wrong hash of the access token": claims(at_hash="x"),
    "algorithm none": unsigned,
    "shared secret": hs256,
    "another key": another_key,
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_bad_id_token_signs_nobody_in(client, provider, how, caplog):
    linked(a_member("ada"), provider)
    TAMPERED[how](provider)
    answer = sign_in(client)
    assert answer.status_code == 400, how
    assert "Lumaweb cannot trust the answer of Acme" in words_of(answer)
    assert not get_user(client).is_authenticated
    assert "The ID token" in caplog.text and CLIENT_SECRET not in caplog.text


def test_a_state_works_once_and_only_in_its_browser(client, provider):
    linked(a_member("ada"), provider)
    path = approve(begin(client))
    stranger = Client()
    assert stranger.get(path).status_code == 400 and not get_user(stranger).is_authenticated
    assert client.get(path).status_code == 302
    client.post("/logout/")
    replayed = client.get(path)
    assert replayed.status_code == 400 and "It was used already" in words_of(replayed)
    assert not get_user(client).is_authenticated


def test_a_sign_in_that_took_too_long_begins_again(client, provider, monkeypatch):
    linked(a_member("ada"), provider)
    path = approve(begin(client))
    now = time.time()
    monkeypatch.setattr(oidc.time, "time", lambda: now + oidc.FLOW_SECONDS + 1)
    assert client.get(path).status_code == 400


def test_a_code_of_another_request_is_refused(client, provider):
    linked(a_member("ada"), provider)
    theirs = parse_qs(urlsplit(approve(begin(Client()))).query)
    ours = parse_qs(urlsplit(approve(begin(client))).query)
    answer = client.get("/oidc/callback/", {"code": theirs["code"][0], "state": ours["state"][0]})
    assert answer.status_code == 400 and not get_user(client).is_authenticated


def test_an_answer_of_another_issuer_is_refused(client, provider):
    linked(a_member("ada"), provider)
    path = approve(begin(client))
    assert client.get(re.sub("iss=[^&]+", "iss=https://evil.example", path)).status_code == 400


def test_new_keys_are_fetched_when_the_provider_rotates_them(client, provider, monkeypatch):
    linked(a_member("ada"), provider)
    assert sign_in(client).status_code == 302
    provider.rotate_key()
    monkeypatch.setattr("videos.oidc.client.KEYS_AGAIN_SECONDS", 0.0)
    assert sign_in(Client()).status_code == 302
    keys = provider.requests.count("/realms/team/keys")
    sign_in(Client())
    assert provider.requests.count("/realms/team/keys") == keys == 2

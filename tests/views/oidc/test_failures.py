"""OpenID providers that are away, broken or unsafe."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import get_user

from ...support.factories import a_member
from ...support.openid_sign_in import approve, begin, linked, sign_in, words_of

pytestmark = pytest.mark.django_db


def test_a_provider_that_is_away_gives_a_sentence(client, provider):
    path = approve(begin(client))
    provider.stop()
    assert "Acme does not answer" in words_of(answer := client.get(path)) and answer.status_code == 503


def test_a_provider_that_was_never_there_gives_a_sentence(client, provider, configure, caplog):
    provider.stop()
    answer = client.get("/oidc/")
    assert answer.status_code == 503 and "Try again in a minute" in words_of(answer)
    assert "Connection refused" in caplog.text
    assert client.get("/login/").status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (".well-known/openid-configuration", 200, b"<html>"),
        (".well-known/openid-configuration", 200, b"[]"),
        (".well-known/openid-configuration", 404, b"{}"),
        (".well-known/openid-configuration", 200, b'{"issuer": "https://evil.example"}'),
        (".well-known/openid-configuration", 200, b"x" * 600_000),
        (".well-known/openid-configuration", 302, b""),
    ],
)
def test_a_discovery_document_that_cannot_be_used_gives_a_sentence(client, provider, path, status, body):
    provider.answers[path] = (status, body)
    answer = client.get("/oidc/")
    assert answer.status_code == 502 and "Ask an admin to check the sign-in settings" in words_of(answer)


@pytest.mark.parametrize(
    "metadata",
    [
        {"authorization_endpoint": "http://login.example/"},
        {"token_endpoint": "ftp://login.example/"},
        {"jwks_uri": None},
        {"response_types_supported": ["id_token"]},
        {"id_token_signing_alg_values_supported": ["HS256", "none"]},
    ],
)
def test_a_provider_that_is_not_safe_to_use_is_refused(client, provider, metadata):
    provider.metadata = metadata
    assert client.get("/oidc/").status_code == 502


@pytest.mark.parametrize(
    ("name", "answer", "status"),
    [
        ("token", (200, b"{}"), 502),
        ("token", (500, b"{}"), 503),
        ("token", (200, b"nothing"), 502),
        ("token", (400, b'{"error": "invalid_grant"}'), 400),
        ("keys", (200, b'{"keys": []}'), 502),
        ("keys", (200, b'{"keys": [1, {"kty": "??"}, {"kty": "RSA"}]}'), 502),
        ("keys", (503, b"{}"), 502),
    ],
)
def test_a_provider_that_fails_on_the_way_gives_a_sentence(client, provider, name, answer, status):
    linked(a_member("ada"), provider)
    path = approve(begin(client))
    provider.answers[name] = answer
    assert client.get(path).status_code == status
    assert not get_user(client).is_authenticated


def test_a_wrong_client_secret_names_the_variable_in_the_log_only(client, provider, configure, caplog):
    configure(client_secret="another-secret")
    answer = sign_in(client)
    assert answer.status_code == 502 and "LUMAWEB" not in words_of(answer)
    assert "LUMAWEB_OIDC_CLIENT_SECRET" in caplog.text and "another-secret" not in caplog.text


def test_a_member_who_cancels_is_told_so(client):
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    answer = client.get("/oidc/callback/", {"error": "access_denied", "state": state})
    assert answer.status_code == 403 and "canceled" in words_of(answer)


def fail(client):
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    return client.get("/oidc/callback/", {"error": "server_error", "state": state})


def test_many_failures_from_one_address_wait(client, provider):
    for _ in range(30):
        assert fail(client).status_code == 400
    assert fail(client).status_code == 429


def test_answers_that_belong_to_no_sign_in_lock_nobody_out(client, provider):
    for _ in range(31):
        assert client.get("/oidc/callback/?state=x&code=y").status_code == 400
    assert fail(client).status_code == 400

"""The doctor on API tokens and the provider's media hosts."""

import pytest
from cryptography.fernet import Fernet

from lumaweb.ops.doctor import provider

from ...support.doctor import Refusing, said_by
from ...support.factories import a_token
from ...support.secrets import MARKER

pytestmark = pytest.mark.django_db(transaction=True)


# ── Tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_missing_token_is_reported():
    assert "warn: There is no API token: no video can be sent." in said_by(provider.stored_tokens)
    assert said_by(provider.accepted_tokens).startswith("skip: ")


def test_a_token_is_tested_free_of_charge_and_not_changed():
    service = Refusing()
    token = a_token(MARKER, service.url)
    token.disable("used_up", "spent")
    said = said_by(provider.accepted_tokens)
    assert said.startswith("ok: “test” at 127.0.0.1:") and MARKER not in said
    token.refresh_from_db()
    assert token.health == "used_up" and [set(post) for post in service.posts] == [{"action", "id"}]
    assert "warn: The API token “test” is not in use: spent" in said_by(provider.stored_tokens)
    service.answer = lambda path, body: (401, {"error": {"code": "invalid_token", "message": "no"}})
    said = said_by(provider.accepted_tokens)
    assert "fail: “test” at " in said and "The provider refuses it." in said and MARKER not in said
    token.refresh_from_db()
    assert token.health == "used_up"
    service.shutdown()
    service.server_close()
    assert said_by(provider.accepted_tokens).startswith("warn: “test” at ")


def test_a_token_that_cannot_be_decrypted_is_reported(settings):
    a_token(MARKER)
    assert said_by(provider.stored_tokens) == "ok: The keys decrypt the API token."
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    said = said_by(provider.stored_tokens)
    assert "fail: The encryption keys do not decrypt the API token “test”. Add the key" in said and "ok" not in said[:3]

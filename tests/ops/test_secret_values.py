"""The secrets that the doctor's findings never show."""

import pytest

from lumaweb.ops.secret_values import secret_values
from videos.models import ProviderAccount
from videos.models.provider_account import Reading

from ..support.factories import a_token


@pytest.mark.django_db
def test_the_tokens_in_the_database_are_secrets(admin):
    a_token("the-secret-of-an-api-token")
    ProviderAccount.objects.connect(
        "platform-the-secret", "https://platform.example", admin, warn_below=None, reading=Reading(1)
    )
    assert {"the-secret-of-an-api-token", "platform-the-secret"} <= set(secret_values(with_database=True))

"""A token with a stub provider."""

import pytest

from ...support.factories import a_token


@pytest.fixture
def token(stub):
    return a_token(base_url=stub.url, clear_at=None, ramp=2)

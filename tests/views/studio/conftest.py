"""A token whose public URL and provider are on this machine."""

import pytest

from ...support.factories import a_token


@pytest.fixture
def token():
    return a_token(base_url="http://127.0.0.1:8801")

"""A token and the provider's list of tasks."""

import pytest

from ...support.factories import a_token
from ...support.provider_listing import Listing


@pytest.fixture
def token(stub, settings):
    settings.PUBLIC_URL = ""
    return a_token(base_url=stub.url)


@pytest.fixture
def listing(stub, token) -> Listing:
    return Listing(stub)

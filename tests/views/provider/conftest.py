"""The token of the sandbox, which is in use, and a provider to connect."""

import pytest
from django.utils import timezone

from videos.models import ApiToken

from ...support.factories import a_token
from ...support.provider_page import OLD


@pytest.fixture
def old(admin) -> ApiToken:
    """Return the token of the sandbox, which is the provider of new videos."""
    return a_token(base_url=OLD, last_used_at=timezone.now(), simulated=True)


@pytest.fixture
def luma(stub):
    """Return a provider that knows no task, as it answers the free look-up of a token that it accepts."""
    stub.answer = lambda path, body: (404, {"error": {"code": "task_not_found", "message": "no such task"}})
    return stub

"""A running web server with a studio."""

import pytest

from ..support.installation import Installation
from ..support.slow_clients import studio


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    site = Installation(tmp_path_factory.mktemp("web")).start(only=("web",))
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="module")
def web(server):
    return studio(server)

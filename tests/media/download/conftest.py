"""A server of files."""

import pytest

from ...support.download_server import serving


@pytest.fixture(scope="module")
def shelf():
    with serving() as server:
        yield server


@pytest.fixture
def at(shelf):
    shelf.seen.clear()
    return f"http://127.0.0.1:{shelf.server_port}"

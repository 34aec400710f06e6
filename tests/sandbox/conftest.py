"""One sandbox and one receiver of callbacks for each module of tests."""

import pytest

from .process import Listener, Sandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    running = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def listener():
    listening = Listener()
    yield listening
    listening.shutdown()
    listening.server_close()

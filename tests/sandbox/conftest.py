"""One sandbox and one callback receiver for each test module."""

import pytest

from .process import CallbackReceiver, Sandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    running = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def receiver():
    receiver = CallbackReceiver()
    yield receiver
    receiver.shutdown()
    receiver.server_close()

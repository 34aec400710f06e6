"""A media host, a token whose videos come from it, and a short video."""

import pytest

from ...support.factories import a_token
from ...support.media_host import Cdn
from ...support.sample_videos import noise_video


@pytest.fixture
def cdn(settings):
    server = Cdn()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def token(stub, cdn, settings):
    # An origin of ours may be on this machine: it stands for the provider's CDN here.
    settings.PUBLIC_URL = cdn.url
    return a_token(base_url=stub.url)


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> bytes:
    return noise_video(tmp_path_factory.mktemp("film") / "film.mp4", seconds=1, movflags="faststart")

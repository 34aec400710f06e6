"""An OpenID provider that runs beside the tests, and members: real HTTP, real signatures."""

import pytest

from lumaweb.sign_in import OpenIDConnect
from videos.sign_in import _provider as client_of

from ...support.factories import an_admin
from ...support.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIDProvider
from ...support.openid_sign_in import SITE


@pytest.fixture
def provider():
    provider = OpenIDProvider()
    yield provider
    provider.stop()


@pytest.fixture
def configure(provider, settings):
    def configure(**parts):
        settings.SITE_URL, settings.OIDC_CLIENT_SECRET = SITE, parts.pop("client_secret", CLIENT_SECRET)
        about = {"issuer": provider.issuer, "client_id": CLIENT_ID, "domains": [], "admin_group": "", "name": "Acme"}
        settings.OIDC = OpenIDConnect(**(about | parts))

    configure()
    client_of.cache_clear()  # a port may be used again
    return configure


@pytest.fixture(autouse=True)
def root(configure):
    return an_admin()

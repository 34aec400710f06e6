"""The warning in the log of `serve` about a proxy in front."""

import threading
from urllib.parse import urlsplit

import pytest

from lumaweb.ops.proxy_warning import proxy_checked

from ..support.doctor import Front

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("host", [None, "internal.example"])
def test_the_start_warns_about_a_proxy_with_a_wrong_host(live_server, settings, caplog, host):
    settings.HOST, settings.PORT = "127.0.0.1", urlsplit(live_server.url).port
    with Front(live_server.url) as front:
        settings.SITE_URL = settings.PUBLIC_URL = front.url
        front.forward = lambda headers: headers | {"Host": host or headers["Host"]}
        with proxy_checked(["web"]):
            (check,) = [thread for thread in threading.enumerate() if thread.name == "proxy check"]
            check.join(30)
    warnings = [record.getMessage() for record in caplog.records if record.name == "lumaweb.ops.proxy_warning"]
    if host:
        (warning,) = warnings
        assert warning.startswith("The proxy sends a wrong Host. ") and "proxy_set_header Host" in warning
    else:
        assert warnings == []


def test_the_check_ends_with_the_start(settings):
    settings.HOST, settings.PORT = "127.0.0.1", 1
    with proxy_checked(["web"]):
        (check,) = [thread for thread in threading.enumerate() if thread.name == "proxy check"]
    check.join(10)
    assert not check.is_alive()

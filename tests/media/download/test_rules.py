"""Links that the rules refuse before a byte is sent."""

import io
import socket

import pytest

from videos.media.download import DownloadFailed, NotAllowed, fetch, probe

from ...support.download_server import answers, never, rules


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example.com/a.mp4",
        "https://cdn.acedata.cloud/a.mp4",
        "https://x.platform.cdn.acedata.cloud/a.mp4",
        "https://platform.cdn.acedata.cloud.evil.example/a.mp4",
        "https://cdn-luma.com/a.mp4",
        "https://evilcdn-luma.com/a.mp4",
        "https://platform.cdn.acedata.cloud:8443/a.mp4",
        "http://127.0.0.1/a.mp4",
        "http://[::1]/a.mp4",
        "http://2130706433/a.mp4",
        "https://user@platform.cdn.acedata.cloud/a.mp4",
        "https://user:word@platform.cdn.acedata.cloud/a.mp4",
        "https://@platform.cdn.acedata.cloud/a.mp4",
        "https://platform.cdn.acedata.cloud@127.0.0.1/a.mp4",
        "https://127.0.0.1\\@platform.cdn.acedata.cloud/a.mp4",
        "https://platform.cdn.acedata.cloud\\.evil.example/",
        "https://platform.cdn.acedata.cloud%2eevil.example/",
        "https://platform.cdn.acedata.cloud /a.mp4",
        "https://platform.cdn.acedata.cloud\r\nx: y/a.mp4",
        "ftp://platform.cdn.acedata.cloud/a.mp4",
        "file:///etc/passwd",
        "//platform.cdn.acedata.cloud/a.mp4",
        "https:platform.cdn.acedata.cloud/a.mp4",
        "https://platform.cdn.acedata.cloud:0/",
        "https://platform.cdn.acedata.cloud:99999/",
        "https://platform.cdn.acedata.cloud:x/",
        "https://",
        "",
    ],
)
def test_a_link_outside_the_rules_is_not_even_resolved(url):
    with pytest.raises(NotAllowed):
        fetch(url, rules(), io.BytesIO(), resolve=never)
    assert probe(url, rules(), resolve=never) is None


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["fe80::1%lo"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::a00:1"],
        ["2002:7f00:1::"],
        ["8.8.8.8", "10.0.0.1"],
        ["10.0.0.1", "8.8.8.8"],
        ["2606:4700::1", "fd00::1"],
        ["not an address"],
    ],
)
@pytest.mark.parametrize("host", ["platform.cdn.acedata.cloud", "storage.cdn-luma.com", "Storage.CDN-Luma.com."])
def test_a_permitted_name_with_any_address_that_is_not_public_is_refused(host, addresses):
    with pytest.raises(NotAllowed, match="not public"):
        fetch(f"https://{host}/a.mp4", rules(), io.BytesIO(), resolve=answers(*addresses))


def test_trust_is_for_one_port_and_one_scheme(at, shelf):
    port = shelf.server_port
    for url in (
        f"https://127.0.0.1:{port}/video",
        f"http://127.0.0.1:{port + 1}/",
        f"http://localhost:{port}/",
    ):
        with pytest.raises(NotAllowed):
            fetch(url, rules(at), io.BytesIO(), resolve=never)


@pytest.mark.parametrize("resolve", [answers(), None])
def test_a_name_without_an_address_may_work_later(resolve):
    def unknown(host, port):
        raise socket.gaierror("no such name")

    with pytest.raises(DownloadFailed) as caught:
        fetch("https://platform.cdn.acedata.cloud/a", rules(), io.BytesIO(), resolve=resolve or unknown)
    assert (caught.value.status, caught.value.permanent) == (None, False)


def test_a_refused_connection_may_work_later():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        at = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(DownloadFailed) as caught:
            fetch(f"{at}/video", rules(at), io.BytesIO())
        assert not caught.value.permanent
        assert probe(f"{at}/video", rules(at)) is None

"""Redirects, each checked like the link itself."""

import io

import pytest

from videos.media.download import DownloadFailed, NotAllowed, fetch

from ...support.download_server import VIDEO, rules


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_three_redirects_are_followed(at, hops):
    assert fetch(f"{at}/hops/{hops}", rules(at), io.BytesIO()).bytes == len(VIDEO)


def test_a_fourth_redirect_is_not(at, shelf):
    with pytest.raises(DownloadFailed, match="redirects") as caught:
        fetch(f"{at}/hops/4", rules(at), io.BytesIO())
    assert caught.value.permanent
    assert len(shelf.seen) == 4


@pytest.mark.parametrize(
    "place",
    [
        "http://127.0.0.1:1/video",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "//10.0.0.1/video",
        "file:///etc/passwd",
        "https://elsewhere.example.com/video",
        "https://user@platform.cdn.acedata.cloud/a",
    ],
)
def test_a_redirect_outside_the_rules_is_not_followed(at, shelf, place):
    with pytest.raises(NotAllowed):
        fetch(f"{at}/to?{place}", rules(at), io.BytesIO())
    assert len(shelf.seen) == 1


def test_a_redirect_to_a_permitted_name_at_a_private_address_is_not_followed(at, shelf):
    def resolve(host, port):
        return ["127.0.0.1"]

    with pytest.raises(NotAllowed, match="not public"):
        fetch(f"{at}/to?http://platform.cdn.acedata.cloud/video", rules(at), io.BytesIO(), resolve=resolve)
    assert len(shelf.seen) == 1


def test_a_redirect_without_a_location_is_a_failure(at):
    with pytest.raises(DownloadFailed) as caught:
        fetch(f"{at}/nowhere", rules(at), io.BytesIO())
    assert caught.value.status == 302

"""Public addresses, and links that a provider can reach."""

import pytest

from videos.media.download import NotAllowed, check_public_host, is_public_address, origin_of


@pytest.mark.parametrize(
    "ip", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450::5", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses(ip):
    assert is_public_address(ip)


@pytest.mark.parametrize(
    "ip",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.0.9",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::808:808",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1%eth0",
        "fec0::1",
        "ff02::1",
        "",
        "example.com",
        "127.1",
    ],
)
def test_addresses_that_are_not_public(ip):
    assert not is_public_address(ip)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.png",
        "HTTP://Example.COM:8080/a.png?b=c#d",
        "https://example.com./a",
        "https://bücher.example/ü.png",
        "https://8.8.8.8/a",
        "https://[2606:4700::1111]/a",
        "https://a_b.example.com/",
        "https://localhost.example.com/",
        "https://example.com",
        "https://example.com/@x:y",
        "https://example.com?u=me@home",
    ],
)
def test_links_a_provider_can_reach(url):
    assert check_public_host(url) == ""


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "not a link"),
        ("a b", "not a link"),
        ("https://exa mple.com/", "not a link"),
        ("https://example.com/\0", "not a link"),
        ("https://example.com/\ud800", "not a link"),
        ("https://example.com\\@127.0.0.1/", "not a link"),
        ("example.com/a.png", "starts with"),
        ("javascript:alert(1)", "starts with"),
        ("ftp://example.com/", "starts with"),
        ("https:/example.com", "starts with"),
        ("https://", "names no host"),
        ("https:///a", "names no host"),
        ("https://./", "names no host"),
        ("https://a..b.com/", "link"),
        ("https://-/", "names no host"),
        ("https://%31%32%37.0.0.1/", "names no host"),
        ("https://" + "a" * 64 + ".com/", "names no host"),
        ("https://example.com:0/", "names no port"),
        ("https://example.com:99999/", "link"),
        ("https://me@example.com/", "user name"),
        ("https://me:word@example.com/", "user name"),
        ("https://example.com@127.0.0.1/", "user name"),
        ("https://@example.com/", "user name"),
        ("http://localhost/", "this machine"),
        ("http://LOCALHOST.:8000/", "this machine"),
        ("http://a.localhost/", "this machine"),
        ("http://printer/", "private network"),
        ("http://printer.local/", "private network"),
        ("http://metadata.google.internal/", "private network"),
        ("http://router.lan/", "private network"),
        ("http://x.home.arpa/", "private network"),
        ("http://127.0.0.1:8000/", "private network"),
        ("http://127.1/", "private network"),
        ("http://2130706433/", "private network"),
        ("http://0x7f000001/", "private network"),
        ("http://0x7f.0.0.1/", "private network"),
        ("http://0177.0.0.1/", "link"),
        ("http://127\u30020\u30020\u30021/", "private network"),
        ("http://127.0.0.1./", "private network"),
        ("http://0/", "private network"),
        ("http://192.168.0.1/", "private network"),
        ("http://169.254.169.254/", "private network"),
        ("http://[::1]/", "private network"),
        ("http://[::ffff:127.0.0.1]/", "private network"),
        ("http://[::ffff:7f00:1]/", "private network"),
        ("http://[fd00::1]/", "private network"),
        ("http://[fe80::1%25eth0]/", "link"),
        ("http://[::1/", "link"),
        ("http://1.2.3.4.5/", "names no host"),
        ("http://256.256.256.256/", "link"),
        ("http://example.99999999999/", "names no host"),
        ("http://\uff11\uff12\uff17.0.0.1/", "link"),
    ],
)
def test_links_a_provider_cannot_reach(url, reason):
    assert reason in check_public_host(url)


def test_a_configured_origin_is_a_link_like_any_other():
    origins = frozenset({origin_of("http://127.0.0.1:8801")})
    assert check_public_host("http://127.0.0.1:8801/files/a.mp4", origins) == ""
    assert check_public_host("http://127.0.0.1:8802/files/a.mp4", origins)
    assert check_public_host("http://me@127.0.0.1:8801/files/a.mp4", origins)


def test_origins_have_their_default_ports():
    assert origin_of("HTTPS://Example.com/a?b") == ("https", "example.com", 443)
    assert origin_of("http://[::1]:8801/") == ("http", "::1", 8801)
    with pytest.raises(NotAllowed):
        origin_of("not a link")

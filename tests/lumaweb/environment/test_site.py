"""A local network: the names and addresses of this machine, and a start beyond loopback without TLS."""

import ipaddress
import re
import socket
from types import SimpleNamespace

import httpx
import ifaddr
import pytest

from lumaweb.environment import network, site
from lumaweb.environment.variables import addresses

from ...support.installation import PASSWORD, Installation
from ...support.processes import wait_until
from ...support.settings_process import KEYS, print_settings

ADAPTERS = {
    "lo": ["127.0.0.1", ("::1", 0, 0)],
    "docker0": ["172.17.0.1"],
    "wlan0": ["192.168.1.20", ("fe80::1%wlan0", 0, 3), ("fd00::20", 0, 0)],
    "eth0": ["10.0.0.5"],
}


@pytest.fixture
def machine(monkeypatch, tmp_path) -> network.Machine:
    adapters = [
        SimpleNamespace(name=name, ips=[SimpleNamespace(ip=ip) for ip in ips]) for name, ips in ADAPTERS.items()
    ]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: adapters)
    monkeypatch.setattr(socket, "gethostname", lambda: "Filmbox")
    monkeypatch.setattr(network, "_outgoing_address", lambda family: "10.0.0.5" if family == socket.AF_INET else "")
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("# ours\nnameserver 192.168.1.1\nsearch lan office.example\n")
    return network.find_machine(resolver)


def test_the_address_that_reaches_others_comes_first_and_those_of_containers_last(machine):
    assert machine.addresses == ["10.0.0.5", "192.168.1.20", "fd00::20", "172.17.0.1"]
    assert machine.shown == ["10.0.0.5", "192.168.1.20", "filmbox.local"]


def test_the_names_are_those_that_routers_and_multicast_dns_make(machine):
    assert machine.names == ["filmbox", "filmbox.local", "filmbox.lan", "filmbox.office.example"]


@pytest.mark.parametrize("name", ["localhost", "localhost.localdomain", "no name", ""])
def test_a_machine_without_a_usable_name_has_addresses_only(monkeypatch, tmp_path, name):
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert network.find_machine(tmp_path / "none").names == []


@pytest.mark.parametrize(
    ("host", "hosts"),
    [
        ("0.0.0.0", ["10.0.0.5", "192.168.1.20", "[fd00::20]", "172.17.0.1", "filmbox", "filmbox.local"]),
        ("192.168.1.20", ["192.168.1.20", "filmbox", "filmbox.local"]),
        ("127.0.0.2", ["127.0.0.2"]),
    ],
)
def test_the_hosts_that_are_served_follow_from_the_address_that_is_listened_on(monkeypatch, machine, host, hosts):
    monkeypatch.setattr(network, "find_machine", lambda: machine)
    for name in (addresses.ALLOWED_HOSTS.name, addresses.PUBLIC_URL.name, addresses.SITE_URL.name):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOST", host)
    monkeypatch.setenv("PORT", "8000")
    found = site.read_site()
    assert found.allowed_hosts[:3] == ["127.0.0.1", "localhost", "[::1]"]
    assert [name for name in found.allowed_hosts[3:] if not name.endswith((".lan", ".example"))] == hosts
    assert not found.on_loopback and found.site_url == ""


def test_behind_a_proxy_only_the_names_of_its_address_are_served(tmp_path):
    env = {"HOST": "0.0.0.0", "LUMAWEB_PUBLIC_URL": "https://films.example.com"}
    done = print_settings(tmp_path, "settings.ALLOWED_HOSTS, settings.SITE.ready_urls", **env, **KEYS)
    hosts = ["127.0.0.1", "localhost", "[::1]", "films.example.com"]
    assert done.stdout.strip() == f"{hosts} ['https://films.example.com']", done.stderr


def test_a_site_url_on_the_local_network_keeps_the_other_names(monkeypatch, machine):
    monkeypatch.setattr(network, "find_machine", lambda: machine)
    monkeypatch.delenv(addresses.ALLOWED_HOSTS.name, raising=False)
    monkeypatch.delenv(addresses.PUBLIC_URL.name, raising=False)
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("PORT", "8000")
    monkeypatch.setenv("LUMAWEB_SITE_URL", "http://filmbox.lan:8000")
    found = site.read_site()
    assert {"filmbox.lan", "10.0.0.5", "filmbox.local"} <= set(found.allowed_hosts)
    assert found.ready_urls[:2] == ["http://filmbox.lan:8000", "http://10.0.0.5:8000"]
    assert found.trusted_origins == ["http://filmbox.lan:8000"]


@pytest.mark.parametrize(
    ("env", "generated"),
    [
        ({"HOST": "0.0.0.0"}, True),
        ({"HOST": "127.0.0.2", "LUMAWEB_SITE_URL": "http://films.lan:8000"}, True),
        ({"HOST": "0.0.0.0", "LUMAWEB_ALLOWED_HOSTS": "films.lan"}, True),
        ({"HOST": "0.0.0.0", "LUMAWEB_SITE_URL": "https://films.lan"}, False),
        ({"HOST": "0.0.0.0", "LUMAWEB_PUBLIC_URL": "http://films.example.com"}, False),
        ({"HOST": "0.0.0.0", "DATABASE_URL": "postgres://127.0.0.1/films"}, False),
    ],
)
def test_keys_are_generated_for_sqlite_on_a_local_network_and_else_required(tmp_path, env, generated):
    done = print_settings(tmp_path / "data", "settings.DATA_DIR", **env)
    if generated:
        assert done.returncode == 0, done.stderr
        assert {path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()} == {0o600}
    else:
        assert "2 settings need a change." in done.stderr and "LUMAWEB_SECRET_KEY is not set" in done.stderr
        assert not (tmp_path / "data").exists()


@pytest.mark.embedded
def test_a_start_beyond_loopback_without_tls_asks_for_the_code_and_keeps_members_signed_in(tmp_path):
    installation = Installation(tmp_path, HOST="127.0.0.2", LUMAWEB_ADMIN_USERNAME="", LUMAWEB_ADMIN_PASSWORD="")
    installation.url = f"http://127.0.0.2:{installation.port}"
    installation.start(only=("web",))
    try:
        ready = f"Lumaweb is ready at {installation.url}/\n"
        wait_until(lambda: ready in installation.log.read_text(), installation.log.read_text)
        code = re.search(r"one-time code: (\w+)", installation.log.read_text())
        assert code
        with httpx.Client(base_url=installation.url, trust_env=False) as browser:
            page = browser.get("/setup/").text
            fields = {
                "csrfmiddlewaretoken": re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1],
                "username": "ada", "password1": PASSWORD, "password2": PASSWORD,
            }  # fmt: skip
            headers = {"Origin": installation.url}
            refused = browser.post("/setup/", data=fields | {"code": "00000000"}, headers=headers)
            assert refused.status_code == 422
            assert browser.post("/setup/", data=fields | {"code": code[1]}, headers=headers).status_code == 302
            assert browser.get("/profile/").status_code == 200
            assert all(not cookie.secure for cookie in browser.cookies.jar)
            unknown = browser.get("/", headers={"Host": "films.lan"})
            assert unknown.status_code == 400 and "LUMAWEB_ALLOWED_HOSTS" in unknown.text
    finally:
        installation.stop()


def test_nothing_is_sent_to_find_the_names(monkeypatch):
    """Resolving a name could ask a server on the network."""

    def refuse(*_args: object) -> None:
        raise AssertionError("a name was resolved")

    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getfqdn"):
        monkeypatch.setattr(socket, name, refuse)
    for address in network.find_machine().addresses:
        assert not ipaddress.ip_address(address).is_loopback

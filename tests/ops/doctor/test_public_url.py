"""The doctor on the public URL: the proxy, its certificate, callbacks."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.urls import reverse

from lumaweb.ops import doctor
from lumaweb.ops.doctor import provider, proxy, public_url
from videos import self_test
from videos.models import ApiToken, Generation

from ...support.doctor import Front, said_by
from ...support.factories import a_generation, a_result, a_token
from ...support.installation import a_free_port

pytestmark = pytest.mark.django_db(transaction=True)

NETWORK_CHECKS = tuple(check for check in doctor.CHECKS if check.run in (proxy.proxy, public_url.public_url))


def test_the_self_test_proves_that_the_public_url_leads_here(live_server, settings):
    with Front(live_server.url) as front:
        settings.PUBLIC_URL = front.url
        said = said_by(public_url.public_url)
    assert said.startswith(f"ok: {front.url} leads to this installation, and a callback arrives unchanged.")
    assert "tested from this machine only" in said and not Generation.objects.exists()


def for_callbacks(answer):
    return lambda method, path, body: answer(body) if path.startswith("/callbacks/") else body


THERE = {"Location": "https://films.example.com/elsewhere"}

MEDDLING = {
    "sends elsewhere": (
        lambda method, path, body: (301, THERE, b""),
        "redirects to https://films.example.com, and a provider does not follow redirects.",
    ),
    "asks for a password": (lambda method, path, body: (401, {}, b""), "asks for a password."),
    "another site": (lambda method, path, body: (200, {}, b"<html>"), "leads to something other than Lumaweb."),
    "another list": (lambda method, path, body: (200, {}, b"[]"), "leads to something other than Lumaweb."),
    "another installation": (
        lambda method, path, body: (200, {}, b'{"ok": true, "proof": "abc"}'),
        "leads to another installation",
    ),
    "nobody behind it": (lambda method, path, body: (502, {}, b""), "a proxy that does not reach Lumaweb (502)."),
    "refuses POST": (for_callbacks(lambda body: (403, {}, b"waf")), "answers 403 (not from Lumaweb)."),
    "limits bodies": (for_callbacks(lambda body: (413, {}, b"")), "A callback of 60 KB to"),
    "redirects callbacks": (for_callbacks(lambda body: (308, THERE, b"")), "and a provider does not follow redirects."),
    "strips bodies": (for_callbacks(lambda body: b""), "the request arrived changed."),
    "cuts bodies": (for_callbacks(lambda body: body[:1000]), "the request arrived changed."),
    "keeps pictures": (
        lambda method, path, body: (404, {}, b"<h1>nginx") if path.endswith(".jpg") else body,
        "/frames/ does not lead to Lumaweb, so a provider could not fetch start and end frames.",
    ),
}


@pytest.mark.parametrize("name", MEDDLING)
def test_a_proxy_that_changes_requests_is_reported_by_its_effect(live_server, settings, name):
    meddle, words = MEDDLING[name]
    with Front(live_server.url) as front:
        front.meddle = meddle
        settings.PUBLIC_URL = front.url
        said = said_by(public_url.public_url)
    assert words in said and "fail: " in said and "ok: " not in said, said


@pytest.mark.parametrize("host", ["internal.example", "127.0.0.1:8000"])
def test_a_proxy_that_sends_another_host_is_the_first_finding(live_server, settings, host):
    with Front(live_server.url) as front:
        settings.SITE_URL = settings.PUBLIC_URL = front.url
        front.forward = lambda headers: headers | {"Host": host}
        found = [finding for _, finding in doctor.run_checks(checks=NETWORK_CHECKS)]
    assert found[0].code == "proxy-host" and "proxy_set_header Host" in found[0].fix
    assert found[1].level == "skip", "the check of the public address would report consequences"


@pytest.mark.parametrize("value", [None, "http", ""])
def test_a_proxy_without_x_forwarded_proto_is_the_first_finding(live_server, settings, authority, value):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    front = tls_front(live_server.url, authority(60))
    with front:
        settings.SITE_URL = settings.PUBLIC_URL = front.url
        assert "ok: No proxy changes the host" in said_by(proxy.proxy)
        front.forward = lambda headers: headers | {"X-Forwarded-Proto": value or ""}
        found = [finding for _, finding in doctor.run_checks(checks=NETWORK_CHECKS)]
    assert found[0].code == "proxy-scheme" and "proxy_set_header X-Forwarded-Proto" in found[0].fix
    assert [finding.level for finding in found] == ["fail", "skip"]


def test_a_page_that_redirects_to_itself_is_reported(live_server, settings):
    with Front(live_server.url) as front:
        settings.SITE_URL = settings.PUBLIC_URL = front.url
        there = {"Location": f"{front.url}/login/"}
        front.meddle = lambda method, path, body: (301, there, b"") if path == "/login/" else body
        assert "fail: Every page of" in said_by(proxy.proxy) and "redirects to itself" in said_by(proxy.proxy)


def tls_front(behind: str, tls: ssl.SSLContext) -> Front:
    front = Front(behind)
    front.socket = tls.wrap_socket(front.socket, server_side=True)
    front.url = front.url.replace("http:", "https:")
    return front


def test_an_unreachable_public_url_is_reported(settings):
    settings.PUBLIC_URL = f"http://localhost:{a_free_port()}"
    assert "cannot be reached from here: nothing listens there." in said_by(public_url.public_url)
    settings.PUBLIC_URL = "http://no-such-name.invalid"
    assert "fail: The name no-such-name.invalid cannot be resolved." in said_by(public_url.public_url)


def test_a_missing_public_url_is_reported_with_its_consequences(settings):
    settings.PUBLIC_URL = ""
    assert said_by(public_url.public_url).startswith("warn: There is no public address")
    settings.PUBLIC_URL = None
    settings.LOCAL_URL = f"http://127.0.0.1:{a_free_port()}"
    a_token(base_url="https://api.example.com")
    told = said_by(public_url.public_url)
    assert told.startswith("warn: There is no public address, so Lumaweb looks up results of api.example.com")
    assert "frames are uploaded to it." in told
    ApiToken.objects.get().refuse_uploads("api.example.com/files/upload answered 404.")
    assert (
        "frames are sent as links only: api.example.com/files/upload answered 404. "
        in said_by(public_url.public_url) + " "
    )


@pytest.fixture
def authority(tmp_path, monkeypatch):
    """Return a function that creates a trusted certificate valid for some days."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tests")])

    def made(subject: x509.Name, days: float, public, extension) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(name).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=30))
        builder = builder.not_valid_after(now + timedelta(days=days)).add_extension(extension, critical=False)
        return builder.sign(key, hashes.SHA256())

    own = made(name, 100, key.public_key(), x509.BasicConstraints(ca=True, path_length=None))
    (tmp_path / "ca.pem").write_bytes(own.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    def context(days: float, host: str = "localhost") -> ssl.SSLContext:
        theirs = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        pem = theirs.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem += made(subject, days, theirs.public_key(), names).public_bytes(serialization.Encoding.PEM)
        (tmp_path / "server.pem").write_bytes(pem)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(tmp_path / "server.pem")
        return tls

    return context


@pytest.mark.parametrize(
    ("days", "host", "words"),
    [
        (60.5, "localhost", "ok: The certificate is valid for 60 more days."),
        (10.5, "localhost", "warn: The certificate is valid for 10 more days."),
        (1.5, "localhost", "fail: The certificate is valid for 1 more days."),
        (-1, "localhost", "its certificate is not valid: certificate has expired. Renew or replace the certificate."),
        (60, "films.example.com", "its certificate is not valid: Hostname mismatch"),
    ],
)
def test_a_certificate_is_reported_by_its_remaining_days(live_server, settings, authority, days, host, words):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    with tls_front(live_server.url, authority(days, host)) as front:
        settings.PUBLIC_URL = front.url
        said = said_by(public_url.public_url)
    assert words in said, said
    assert ("leads to this installation" in said) is (days > 3 and host == "localhost")


def test_the_self_test_changes_nothing_and_needs_the_secret_key(client, settings):
    uuid = "9b2f0e0c-0000-4000-8000-000000000000"
    key = self_test.key_for(uuid)
    path = reverse("callback", args=[uuid, key])
    answer = client.post(path, b"{}", content_type="application/json")
    assert answer.json() == {"proof": self_test.proof(b"{}")} and not Generation.objects.exists()
    assert client.get(path).status_code == 405
    assert client.post(path, b"x" * 70_000, content_type="application/json").status_code == 413
    unknown = client.post(reverse("callback", args=[uuid, "k" * 43]), b"{}", content_type="application/json")
    others = [uuid.replace("9b", "9c"), key], [uuid, key[:-1]], [uuid, f"x{key}"], [uuid, ":"], [uuid, "a:b:c"]
    for other in others:
        again = client.post(reverse("callback", args=other), b"{}", content_type="application/json")
        assert (again.status_code, again.content) == (404, unknown.content)
    settings.SECRET_KEY = "another installation's"
    assert client.post(path, b"{}", content_type="application/json").status_code == 404


def test_the_self_test_key_is_wrong_for_a_real_video(client):
    a_token()
    generation = a_generation()
    generation.claim()
    path = reverse("callback", args=[generation.uuid, self_test.key_for(generation.uuid)])
    assert client.post(path, b"{}", content_type="application/json").status_code == 404


def test_callbacks_and_fetches_of_the_provider_prove_that_it_reaches_lumaweb(settings):
    settings.PUBLIC_URL = "https://films.example.com"
    a_token(base_url="https://api.example.com")
    assert "skip: It is not known whether api.example.com reaches Lumaweb" in said_by(provider.callbacks)
    for number in range(3):
        generation = a_generation()
        generation.claim()
        generation.record(a_result(f"task-{number}"), "sweep")
    assert "warn: None of the last 3 results came by a callback of api.example.com" in said_by(provider.callbacks)
    generation = a_generation()
    generation.claim()
    generation.record(a_result("task-9"), "callback")
    assert "ok: api.example.com reaches Lumaweb: 1 of the last 4 results came by callback" in said_by(
        provider.callbacks
    )
    settings.PUBLIC_URL = ""
    assert said_by(provider.callbacks).startswith("skip: ")

"""Downloads from a trusted origin: names, addresses, HTTPS."""

import hashlib
import io
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from videos.media.download import DownloadFailed, Fetched, fetch, origin_of

from ...support.download_server import VIDEO, answers, rules, serving


def test_a_file_arrives_whole_from_a_trusted_origin(at, shelf):
    to = io.BytesIO()
    assert fetch(f"{at}/video", rules(at), to) == Fetched(len(VIDEO), hashlib.sha256(VIDEO).hexdigest(), "video/mp4")
    assert to.getvalue() == VIDEO
    _, headers = shelf.seen[0]
    assert headers["accept-encoding"] == "identity"
    assert headers["host"] == at.removeprefix("http://")


def test_proxies_in_the_environment_are_ignored(at, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert fetch(f"{at}/video", rules(at), io.BytesIO()).bytes == len(VIDEO)


def test_a_name_is_resolved_once_and_that_address_is_dialled(shelf):
    asked = []

    def resolve(host, port):
        asked.append((host, port))
        return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

    at = f"http://media.example.com:{shelf.server_port}"
    shelf.seen.clear()
    assert fetch(f"{at}/video", rules(at), io.BytesIO(), resolve=resolve).bytes == len(VIDEO)
    assert asked == [("media.example.com", shelf.server_port)]
    assert shelf.seen[0][1]["host"] == f"media.example.com:{shelf.server_port}"


def test_the_next_address_is_tried_when_one_does_not_answer(shelf):
    at = f"http://media.example.com:{shelf.server_port}"
    resolve = answers("::1", "127.0.0.1")
    assert fetch(f"{at}/video", rules(at), io.BytesIO(), resolve=resolve).bytes == len(VIDEO)


@pytest.mark.parametrize("spelling", ["MEDIA.Example.COM", "media.example.com."])
def test_case_and_a_trailing_dot_do_not_make_another_origin(shelf, spelling):
    trusted = rules(f"http://media.example.com:{shelf.server_port}")
    url = f"http://{spelling}:{shelf.server_port}/video"
    assert fetch(url, trusted, io.BytesIO(), resolve=answers("127.0.0.1")).bytes == len(VIDEO)


def test_an_international_name_is_one_origin_in_both_spellings(shelf):
    trusted = rules(f"http://bücher.example.com:{shelf.server_port}")
    url = f"http://xn--bcher-kva.example.com:{shelf.server_port}/video"
    assert fetch(url, trusted, io.BytesIO(), resolve=answers("127.0.0.1")).bytes == len(VIDEO)
    assert origin_of("https://BÜCHER.example./x") == ("https", "xn--bcher-kva.example", 443)


def certificate(tmp_path, name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        cert.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def test_https_asks_for_and_verifies_the_name_though_an_address_is_dialled(tmp_path):
    path = certificate(tmp_path, "media.example.com")
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(path)
    named = []
    theirs.sni_callback = lambda _socket, name, _context: named.append(name)
    ours = ssl.create_default_context(cafile=str(path))
    with serving(theirs) as server:
        at = f"https://media.example.com:{server.server_port}"
        other = f"https://other.example.com:{server.server_port}"
        fetched = fetch(f"{at}/video", rules(at), io.BytesIO(), resolve=answers("127.0.0.1"), tls=ours)
        assert fetched.bytes == len(VIDEO)
        assert named == ["media.example.com"]
        with pytest.raises(DownloadFailed):
            fetch(f"{other}/video", rules(other), io.BytesIO(), resolve=answers("127.0.0.1"), tls=ours)
        with pytest.raises(DownloadFailed):
            fetch(f"{at}/video", rules(at), io.BytesIO(), resolve=answers("127.0.0.1"))
        assert len(server.seen) == 1

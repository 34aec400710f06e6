"""Lumaweb behind nginx or Caddy, with the example configurations."""

import http.client
import os
import select
import signal
import socket
import ssl
import subprocess
import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .debian import program
from .deployment import DEPLOY, replaced
from .installation import PASSWORD, Installation, Visitor, a_free_port

# Stands where a key stands in an address; no log may have it.
KEY = "theKEYthatOPENSitSELF0123456789"


def certificate(folder: Path) -> tuple[Path, Path]:
    """Create a self-signed certificate for localhost; return its file and that of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return public, private


class Front(ABC):
    """A proxy in front of an installation, from the file in deploy/ with this test's paths and ports."""

    name = ""
    accel_prefix = "/protected-media/"
    # The change to its file that makes it sign every client in as ada.
    authenticating = ("", "")

    def __init__(self, folder: Path, *changes: tuple[str, str]) -> None:
        folder.mkdir(parents=True)
        self.folder, self.changes = folder, changes
        self.http_port, self.port = a_free_port(), a_free_port()
        self.url = f"https://localhost:{self.port}"
        self.public, self.private = certificate(folder)
        self.tls = ssl.create_default_context(cafile=str(self.public))
        self.process: subprocess.Popen | None = None

    @abstractmethod
    def start(self, upstream: int, media: Path) -> None:
        """Start the proxy in front of this port, with access to this media folder."""

    def run(self, *command: str, **env: str) -> None:
        with (self.folder / "said.log").open("ab") as said:
            self.process = subprocess.Popen(
                command, env=os.environ | env, cwd=self.folder, stdout=said, stderr=said, start_new_session=True
            )
        end = time.monotonic() + 30
        while True:
            assert self.process.poll() is None, self.logs()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < end, f"{self.name} does not listen after 30 s:\n{self.logs()}"
                time.sleep(0.05)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)

    def logs(self) -> str:
        """Return everything that the proxy has logged."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict, bytes]:
        """Send one request with this exact path; return status, headers in lower case and body."""
        # With 1.3 the server begins to talk before it answers, and a look at the socket would say nothing.
        tls = ssl.create_default_context(cafile=str(self.public))
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        connection = http.client.HTTPSConnection("localhost", self.port, context=tls, timeout=30)
        try:
            connection.putrequest(method, path)
            for name, said in headers.items():
                connection.putheader(name.replace("_", "-"), said)
            if body is not None and "Transfer_Encoding" not in headers:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            for start in range(0, len(body or b""), 16384):
                # A refusal arrives before the whole body is sent.
                if select.select([connection.sock], [connection.sock], [], 30)[0]:
                    break
                try:
                    connection.send(body[start : start + 16384])
                except OSError:
                    break
            answer = connection.getresponse()
            try:
                said = answer.read()
            except http.client.IncompleteRead as cut:
                said = cut.partial  # the status has arrived; do not wait for the rest
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, said
        finally:
            connection.close()


class Nginx(Front):
    name = "nginx"
    authenticating = ('proxy_set_header Remote-User "";', "proxy_set_header Remote-User ada;")

    def start(self, upstream: int, media: Path) -> None:
        ours = replaced(
            (DEPLOY / "nginx.conf").read_text(),
            ("listen 80;", f"listen 127.0.0.1:{self.http_port};"),
            ("listen 443 ssl http2;", f"listen 127.0.0.1:{self.port} ssl http2;"),
            ("    listen [::]:80;\n", ""),
            ("    listen [::]:443 ssl http2;\n", ""),
            ("/etc/letsencrypt/live/films.example.com/fullchain.pem", str(self.public)),
            ("/etc/letsencrypt/live/films.example.com/privkey.pem", str(self.private)),
            ("https://films.example.com$", f"{self.url}$"),
            ("films.example.com", "localhost"),
            ("/var/log/nginx/", f"{self.folder}/"),
            ("/var/lib/lumaweb/media", str(media)),
            ("127.0.0.1:8000", f"127.0.0.1:{upstream}"),
            *self.changes,
        )
        temporary = "\n".join(
            f"{kind}_temp_path {self.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        # Debian's own nginx.conf has this around the files of conf.d. Its workers are the user who owns the files here.
        file = self.folder / "around.conf"
        file.write_text(
            ("user root;\n" if os.geteuid() == 0 else "")
            + f"pid {self.folder}/pid; daemon off; error_log {self.folder}/main-error.log;\n"
            + "events {}\nhttp {\n"
            + f"include /etc/nginx/mime.types; default_type application/octet-stream;\n{temporary}\n{ours}}}\n"
        )
        self.run(program("nginx"), "-c", str(file), "-p", str(self.folder), "-e", f"{self.folder}/main-error.log")


class Caddy(Front):
    name = "caddy"
    authenticating = ("\t\t# If this proxy auth", "\t\trequest_header Remote-User ada\n\t\t# If this proxy auth")

    def start(self, upstream: int, media: Path) -> None:
        file = self.folder / "Caddyfile"
        file.write_text(
            replaced(
                (DEPLOY / "Caddyfile").read_text(),
                ("\tservers {\n", f"\tadmin off\n\thttp_port {self.http_port}\n\tservers {{\n"),
                # With a host name, Caddy would request a certificate.
                ("\t@inside path", f"\tbind 127.0.0.1\n\ttls {self.public} {self.private}\n\t@inside path"),
                *self.changes,
            )
        )
        self.run(
            program("caddy"),
            *("run", "--config", str(file), "--adapter", "caddyfile"),
            LUMAWEB_PUBLIC_URL=self.url,
            LUMAWEB_UPSTREAM=f"127.0.0.1:{upstream}",
            LUMAWEB_MEDIA=str(media),
            HOME=str(self.folder),
            XDG_DATA_HOME=str(self.folder),
            XDG_CONFIG_HOME=str(self.folder),
        )


class Guest(Visitor):
    """A member who uses the proxy over TLS."""

    def __init__(self, front: Front, username: str = "ada") -> None:
        self.http = httpx.Client(
            base_url=front.url,
            verify=front.tls,
            follow_redirects=True,
            timeout=20,
            trust_env=False,
            headers={"Referer": f"{front.url}/"},
        )
        self.signed_in = self.post("/login/", username=username, password=PASSWORD)
        assert self.signed_in.url.path == "/", self.signed_in.text


class ProxiedSite:
    """An installation behind a proxy, with one saved video."""

    def __init__(self, front: Front, folder: Path) -> None:
        self.front = front
        self.installation = Installation(
            folder,
            LUMAWEB_PUBLIC_URL=front.url,
            LUMAWEB_TRUSTED_PROXIES="1",
            LUMAWEB_ACCEL_PREFIX=front.accel_prefix,
            # The proxy's address, so that it alone keeps clients from naming a member.
            LUMAWEB_AUTH_HEADER="Remote-User",
            LUMAWEB_AUTH_PROXIES="127.0.0.1",
            # The sandbox, as a provider, comes through the proxy too.
            SSL_CERT_FILE=str(front.public),
        )

    def start(self) -> "ProxiedSite":
        self.front.start(self.installation.port, self.installation.folder / "media")
        self.installation.start()
        self.ada = Guest(self.front)
        self.uuid = self.ada.submit(action="generate", prompt="A lighthouse at dusk", aspect_ratio="16:9")
        self.video = self.ada.wait_until_saved(self.uuid)
        return self

    def stop(self) -> None:
        try:
            self.installation.stop()
        finally:
            self.front.stop()

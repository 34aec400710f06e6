"""Settings › Mail: a test mail to a real mail server, with its answers."""

import re
import socket
import socketserver
import threading

import pytest

from videos import mail
from videos.models import AuditEntry, MailStatus

from ...support.factories import a_member, an_admin

pytestmark = pytest.mark.django_db


class MailServer(socketserver.ThreadingTCPServer):
    """An SMTP server that accepts mails, or answers a command as a test wants."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.answers: dict[str, str] = {}
        self.mails: list[str] = []
        self.lines: list[str] = []
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()


class Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.say("220 mail.example ready")
        while line := self.rfile.readline().decode().strip():
            self.server.lines.append(line)
            command = line.split(":")[0].split()[0].upper()
            if command in self.server.answers:
                self.say(self.server.answers[command])
            elif command == "DATA":
                self.say("354 go on")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += self.rfile.readline()
                self.server.mails.append(text.decode())
                self.say(self.server.answers.get(".", "250 2.0.0 Ok: queued as 4F1C2"))
            elif command == "QUIT":
                return self.say("221 bye")
            else:
                self.say("250 ok")

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def server(settings):
    server = MailServer()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "", "secret-of-the-mail-server"
    settings.CAN_MAIL, settings.DEFAULT_FROM_EMAIL = True, "Lumaweb <films@films.example>"
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def admin(client):
    client.force_login(an_admin())
    return client


def words_of(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode().split("<main")[1]).split())


def test_a_test_mail_shows_the_server_s_answer(admin, server):
    answer = admin.post("/settings/mail/", {"to": "ada@films.example"})
    assert "accepted the mail to ada@films.example: 250 2.0.0 Ok: queued as 4F1C2" in words_of(answer)
    assert "From: Lumaweb <films@films.example>" in server.mails[0] and "To: ada@films.example" in server.mails[0]
    assert AuditEntry.objects.filter(text="Sent a test mail to ada@films.example: accepted.").exists()
    assert MailStatus.current().sent_at and not MailStatus.current().is_failing


@pytest.mark.parametrize(
    ("command", "answer", "words"),
    [
        ("RCPT", "550 5.1.1 no such user here", "refused the recipient: 550 5.1.1 no such user here"),
        ("MAIL", "553 5.7.1 not your address", "refused the sender: 553 5.7.1 not your address"),
        (".", "554 5.7.1 looks like spam", "refused the mail: 554 5.7.1 looks like spam"),
        (".", "554 no http://h/invitations/abcdef/ please", "554 no http://h/invitations/[redacted]/ please"),
        ("DATA", "451 try secret-of-the-mail-server", "refused the mail: 451 try [redacted]"),
    ],
)
def test_a_refusal_shows_the_server_s_answer_and_what_to_do(admin, server, command, answer, words):
    server.answers[command] = answer
    page = words_of(admin.post("/settings/mail/", {"to": "ada@films.example"}))
    assert words in page
    assert MailStatus.current().is_failing and words in MailStatus.current().error
    assert words in words_of(admin.get("/settings/mail/"))


def test_an_internationalized_domain_is_sent_in_ascii(admin, server, settings):
    settings.DEFAULT_FROM_EMAIL = "Lumaweb <films@münchen.example>"
    assert "250 2.0.0 Ok" in words_of(admin.post("/settings/mail/", {"to": "ada@bücher.example"}))
    assert "rcpt TO:<ada@xn--bcher-kva.example>" in server.lines
    assert any(line.startswith("mail FROM:<films@xn--mnchen-3ya.example>") for line in server.lines)


def test_a_server_that_is_away_is_named(admin, server, settings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.EMAIL_PORT = free.getsockname()[1]
    words = words_of(admin.post("/settings/mail/", {"to": "ada@films.example"}))
    assert f"127.0.0.1:{settings.EMAIL_PORT} cannot be reached: Connection refused" in words
    settings.EMAIL_HOST = "mail.invalid"
    assert "is not known" in words_of(admin.post("/settings/mail/", {"to": "ada@films.example"}))


def test_other_mails_are_remembered_too(server):
    server.answers["RCPT"] = "550 no"
    assert not mail.send("ada@films.example", "test", {"member": a_member("ada")})
    assert MailStatus.current().failed_to == "ada@films.example"
    server.answers.clear()
    assert mail.send("ada@films.example", "test", {"member": a_member("bob")})
    assert not MailStatus.current().is_failing


def test_test_mails_are_limited(admin, server):
    for _ in range(5):
        assert admin.post("/settings/mail/", {"to": "ada@films.example"}).status_code == 200
    answer = admin.post("/settings/mail/", {"to": "ada@films.example"})
    assert answer.status_code == 429 and "Wait ten minutes" in words_of(answer)
    assert len(server.mails) == 5


def test_an_address_is_needed_and_no_header_gets_in(admin, server):
    for address in ("", "nobody", "a@b.example\r\nBcc: x@y.example"):
        assert admin.post("/settings/mail/", {"to": address}).status_code == 422
    assert not server.mails


def test_without_a_mail_server_the_page_says_what_to_set(admin, settings):
    settings.CAN_MAIL = False
    words = words_of(admin.get("/settings/mail/"))
    assert "LUMAWEB_EMAIL_URL" in words and "Send test" not in words


def test_the_page_shows_no_password(admin, server):
    assert "secret-of-the-mail-server" not in admin.get("/settings/mail/").content.decode()

"""The doctor names why the mail server takes no mail, with real SMTP servers that refuse each step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest

from lumaweb.ops.doctor import mail

from ...support.factories import an_admin
from ...support.installation import a_free_port
from ...support.serving import serve

pytestmark = pytest.mark.django_db

PASSWORD = "markedMARKEDmarkedMARKEDmarked"


class Server(ThreadingTCPServer):
    """A mail server that gives these answers to these commands, and accepts the others."""

    daemon_threads = True

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.answers = {
            b"EHLO": b"250-here\r\n250 AUTH PLAIN\r\n",
            b"AUTH": b"235 ok\r\n",
            b"QUIT": b"221 bye\r\n",
        } | answers
        self.commands: list[bytes] = []


class _Session(StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        self.wfile.write(self.server.answers.get(b"HELLO", b"220 here\r\n"))
        for line in self.rfile:
            self.server.commands.append(line.strip())
            word = line[:4].upper()
            self.wfile.write(self.server.answers.get(word, b"250 ok\r\n"))
            if word == b"QUIT":
                return


@pytest.fixture
def mail_server(settings) -> Callable[..., Iterator[Server]]:
    """Configure mail to a server with these answers."""
    settings.CAN_MAIL, settings.SITE_URL = True, "https://films.example.com"
    settings.EMAIL_HOST, settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "127.0.0.1", "lumaweb", PASSWORD
    settings.EMAIL_TIMEOUT = 2
    settings.DEFAULT_FROM_EMAIL = "Lumaweb <films@example.com>"

    @contextmanager
    def mail_server(**answers: bytes) -> Iterator[Server]:
        with Server({name.encode(): answer for name, answer in answers.items()}) as server:
            serve(server)
            settings.EMAIL_PORT = server.server_address[1]
            yield server
            server.shutdown()

    return mail_server


def finding():
    [found] = mail.mail()
    assert PASSWORD not in found.message + found.fix
    return found


def test_mail_that_is_not_configured_is_not_a_problem(settings):
    settings.CAN_MAIL = False
    assert finding().message.startswith("Mail is not configured")


def test_mail_without_a_site_address_is_reported(mail_server, settings):
    settings.SITE_URL = ""
    with mail_server():
        assert [found.code for found in mail.mail()] == ["mail-no-site", ""]


def test_a_delivery_is_tried_up_to_the_text_and_sends_nothing(mail_server):
    admin = an_admin()
    admin.email = "ada@example.com"
    admin.save()
    with mail_server() as server:
        assert finding().level == "ok"
    assert any(b"<films@example.com>" in command for command in server.commands)
    assert any(b"<ada@example.com>" in command for command in server.commands)
    assert b"DATA" not in [command[:4].upper() for command in server.commands]


@pytest.mark.parametrize(
    ("answers", "code", "words"),
    [
        ({"AUTH": b"535 5.7.8 no\r\n"}, "mail-password", "refuses the password (535)"),
        ({"EHLO": b"250 here\r\n"}, "mail-unsupported", "does not offer what LUMAWEB_EMAIL_URL needs"),
        ({"HELLO": b"554 blocked\r\n"}, "mail-rejected", "refuses the session (554)"),
        ({"MAIL": b"550 not yours\r\n"}, "mail-sender", "refuses the sender films@example.com (550)"),
        ({"RCPT": b"554 relay denied\r\n"}, "mail-recipient", "refuses the recipient films@example.com (554)"),
    ],
)
def test_a_refusal_is_named_by_the_step_that_is_refused(mail_server, answers, code, words):
    with mail_server(**answers):
        found = finding()
    assert (found.level, found.code, found.title) == ("fail", code, "Mail is not sent")
    assert words in found.message and found.fix


def test_a_server_that_cannot_be_reached_is_named(mail_server, settings):
    with mail_server():
        settings.EMAIL_PORT = a_free_port()
        assert finding().code == "mail-refused"
        settings.EMAIL_HOST = "no-such-name.invalid"
        assert finding().code == "mail-host"


def test_tls_on_a_port_without_tls_is_named(mail_server, settings):
    settings.EMAIL_USE_SSL = True
    with mail_server():
        assert finding().code == "mail-tls"


def test_starttls_that_the_server_does_not_offer_is_named(mail_server, settings):
    settings.EMAIL_USE_TLS = True
    with mail_server():
        assert finding().code == "mail-unsupported"


def test_a_server_that_never_answers_is_given_up(mail_server, settings):
    settings.EMAIL_TIMEOUT = 0.2
    with mail_server(HELLO=b""):
        assert finding().code == "mail-timeout"

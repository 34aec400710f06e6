"""One plain request at a time, by the standard library: what stands between us and an address is what is looked for."""

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

BODY_AT_MOST = 256 * 1024


class NoAnswer(Exception):
    """Why there was none, as a sentence."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    certificate: dict = field(default_factory=dict)


def ask(
    method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None, seconds: float = 10.0
) -> Answer:
    """Make one request, without redirects and without proxies of the environment. Raises NoAnswer."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        # With the authorities this machine trusts. A provider has others, but not fewer.
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=seconds, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        connection.request(
            method, f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", body, dict(headers or {})
        )
        certificate = connection.sock.getpeercert() if isinstance(connection.sock, ssl.SSLSocket) else None
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read(BODY_AT_MOST), certificate or {})
    except ssl.SSLCertVerificationError as error:
        raise NoAnswer(f"its certificate is not good: {error.verify_message}.") from None
    except ssl.SSLError as error:
        raise NoAnswer(f"it does not speak TLS there ({error.reason}).") from None
    except socket.gaierror:
        raise NoAnswer(f"the name {host} is not known.") from None
    except TimeoutError:
        raise NoAnswer(f"nothing came within {seconds:.0f} s.") from None
    except ConnectionRefusedError:
        raise NoAnswer("nobody listens there.") from None
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(f"the connection broke ({type(error).__name__}).") from None
    finally:
        connection.close()

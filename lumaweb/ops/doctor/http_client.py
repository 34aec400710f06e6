"""Single plain HTTP requests with the standard library: a client that retries or redirects would hide problems."""

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

MAX_BODY_BYTES = 256 * 1024


class RequestFailed(Exception):
    """There was no response; the message is a clause with the reason."""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    certificate: Mapping[str, Any] = field(default_factory=dict)


def request(
    method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None, timeout: float = 10.0
) -> Response:
    """Make one request, without redirects and without the environment's proxies. Raises RequestFailed."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        # With the certificate authorities of this machine; a provider's may differ, but it has the common ones too.
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=timeout, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    try:
        connection.request(method, path, body, dict(headers or {}))
        certificate = connection.sock.getpeercert() if isinstance(connection.sock, ssl.SSLSocket) else None
        response = connection.getresponse()
        return Response(response.status, response.headers, response.read(MAX_BODY_BYTES), certificate or {})
    except ssl.SSLCertVerificationError as error:
        raise RequestFailed(f"its certificate is not valid: {error.verify_message}.") from None
    except ssl.SSLError as error:
        raise RequestFailed(f"it does not speak TLS ({error.reason}).") from None
    except socket.gaierror:
        raise RequestFailed(f"the name {host} cannot be resolved.") from None
    except TimeoutError:
        raise RequestFailed(f"there was no response within {timeout:.0f} s.") from None
    except ConnectionRefusedError:
        raise RequestFailed("nothing listens there.") from None
    except (OSError, http.client.HTTPException) as error:
        raise RequestFailed(f"the connection failed ({type(error).__name__}).") from None
    finally:
        connection.close()

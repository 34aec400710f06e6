"""Check of the public address: call it from here, as a provider would.

This shows that the address leads to this installation and that a callback arrives unchanged. It does not show that the
provider can reach it: `provider.callbacks` looks at recent results for that.
"""

import json
import secrets
import socket
import ssl
import time
import uuid
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from videos import self_test
from videos.models import ApiToken

from . import proxy
from .findings import Finding, fail, ok, skip, warn
from .http_client import RequestFailed, Response, request

MIN_CERTIFICATE_DAYS, LOW_CERTIFICATE_DAYS = 3, 14
# A callback has a few KB; Lumaweb accepts up to 64.
CALLBACK_BYTES = 60 * 1024
LOOPBACK = ("127.0.0.1", "localhost", "::1")
NOT_FOUND = b"Not found.\n"  # of an unknown callback or frame
SET_PUBLIC_URL = "Set LUMAWEB_PUBLIC_URL to the address that the provider can reach, if there is one."


def public_url() -> Iterator[Finding]:
    """Call the health page, a test callback, a frame and the sign-in page by the public address."""
    url = settings.PUBLIC_URL
    if url and proxy.problem_at(url):
        yield skip("Not checked, as the proxy has to be corrected first: see the check of the proxy.")
        return
    if url is None:
        yield from _missing_url()
        # A provider on this machine may use it.
        url = settings.LOCAL_URL
    if not url:
        yield warn(
            "no-public-address",
            "There is no public address",
            "There is no public address: Lumaweb looks up results every few seconds, and uploads frames to the "
            "provider.",
            SET_PUBLIC_URL,
        )
        return
    host = urlsplit(url).hostname or ""
    try:
        is_private = _resolves_to_private_address(host)
    except OSError:
        yield fail(
            "public-host",
            "The public address cannot be resolved",
            f"The name {host} cannot be resolved.",
            "Add it to the DNS, or correct LUMAWEB_PUBLIC_URL.",
        )
        return
    if is_private and host not in LOOPBACK:
        yield warn(
            "public-private",
            "The public address may not be public",
            f"From here {host} has a private address, which no provider on the internet reaches.",
            "Ignore this if the public DNS has another address, or if the provider is on this network.",
        )
    findings = list(_requests(url))
    yield from findings
    if not any(finding.level == "fail" for finding in findings):
        yield ok(
            f"{url} leads to this installation, and a callback arrives unchanged. This was tested from this machine "
            "only: a firewall may still block the provider (see the check of callbacks)."
        )


def _missing_url() -> Iterator[Finding]:
    for token in ApiToken.objects.filter(enabled=True):
        if not token.public_url:
            frames = "uploaded to it" if token.takes_uploads() else f"sent as links only: {token.uploads_refusal}"
            yield warn(
                "no-public-address",
                "There is no public address",
                f"There is no public address, so Lumaweb looks up results of {urlsplit(token.base_url).netloc} every "
                f"few seconds, and frames are {frames}.".replace("..", "."),
                SET_PUBLIC_URL,
            )
            return


def _resolves_to_private_address(host: str) -> bool:
    """Return whether any address of the host is not global. Raises OSError."""
    addresses = {str(info[4][0]).split("%")[0] for info in socket.getaddrinfo(host, None)}
    return not all(ip_address(address).is_global for address in addresses)


def _requests(url: str) -> Iterator[Finding]:
    nonce = secrets.token_hex(16)
    try:
        response = request("GET", f"{url}/healthz?nonce={nonce}")
    except RequestFailed as error:
        yield fail(
            "public-unreachable",
            "The public address cannot be reached",
            f"{url} cannot be reached from here: {error}",
            "Renew or replace the certificate."
            if "certificate" in str(error)
            else "Check the proxy, the firewall and LUMAWEB_PUBLIC_URL. Some routers do not route their own public "
            "address back: then try from another network.",
        )
        return
    yield from _certificate(response)
    if problem := _proof_problem(response, self_test.proof(nonce.encode())):
        yield fail(
            "public-elsewhere",
            "The public address leads elsewhere",
            f"{url} {problem}",
            "Let the proxy pass all requests to this installation, at its root. If several machines answer there, set "
            "the same LUMAWEB_SECRET_KEY on all of them.",
        )
        return
    yield from _callback(url)
    yield from _frames(url)


def _certificate(response: Response) -> Iterator[Finding]:
    if not (expires := response.certificate.get("notAfter")):
        return
    days = (ssl.cert_time_to_seconds(expires) - time.time()) / 86400
    message = f"The certificate is valid for {int(days)} more days."
    if days >= LOW_CERTIFICATE_DAYS:
        yield ok(message)
        return
    level = fail if days < MIN_CERTIFICATE_DAYS else warn
    yield level("certificate", "The certificate expires soon", message, "Find out why it is not renewed automatically.")


def _proof_problem(response: Response, proof: str) -> str:
    """Return the predicate that says why a response does not hold this proof, or ""."""
    status = response.status
    if 300 <= status < 400:
        target = urlsplit(response.headers.get("Location", ""))
        if not target.netloc:
            return "redirects."
        return f"redirects to {target.scheme}://{target.netloc}, and a provider does not follow redirects."
    problems = {
        401: "asks for a password.",
        413: "refuses a body of that size.",
        502: "leads to a proxy that does not reach Lumaweb (502).",
        504: "leads to a proxy that does not reach Lumaweb (504).",
    }
    if status in problems:
        return problems[status]
    if status != 200:
        return f"answers {status} ({'from Lumaweb' if response.body == NOT_FOUND else 'not from Lumaweb'})."
    try:
        body = json.loads(response.body)
        received = body.get("proof", "") if isinstance(body, dict) else ""
    except ValueError:
        received = ""
    if not received:
        return "leads to something other than Lumaweb."
    return "" if received == proof else "leads to another installation, or the request arrived changed."


def _callback(url: str) -> Iterator[Finding]:
    """Send a test callback, whose response proves the body that arrived. Its path expires after two minutes."""
    number = uuid.uuid4()
    path = reverse("callback", args=[number, self_test.key_for(number)])
    # JSON, as the provider sends it, with a prompt longer than any.
    prompt = secrets.token_hex(CALLBACK_BYTES // 2)
    body = json.dumps({"task_id": str(uuid.uuid4()), "prompt": prompt}).encode()
    try:
        response = request("POST", f"{url}{path}", body=body, headers={"Content-Type": "application/json"})
    except RequestFailed as error:
        yield fail(
            "callback-blocked",
            "Callbacks do not arrive",
            f"A callback to {url} does not arrive: {error}",
            "Check the proxy's limit for request bodies.",
        )
        return
    if problem := _proof_problem(response, self_test.proof(body)):
        yield fail(
            "callback-blocked",
            "Callbacks do not arrive",
            f"A callback of {CALLBACK_BYTES // 1024} KB to {url} {problem}",
            "Let the proxy pass POST requests to /callbacks/ unchanged: no redirect, no password, no filter, and "
            "bodies of 64 KB (nginx: client_max_body_size; frames need 45m).",
        )


def _frames(url: str) -> Iterator[Finding]:
    try:
        response = request("GET", f"{url}{reverse('provider-frame', args=[secrets.token_urlsafe(32)])}")
        reaches_lumaweb = response.status == 404 and response.body == NOT_FOUND
    except RequestFailed:
        reaches_lumaweb = False
    if not reaches_lumaweb:
        yield fail(
            "frames-blocked",
            "The provider cannot fetch frames",
            f"{url}/frames/ does not lead to Lumaweb, so a provider could not fetch start and end frames.",
            "Let the proxy pass /frames/ and /clips/, and not serve paths with picture suffixes (.jpg) itself.",
        )

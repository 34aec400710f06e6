"""Check of the proxies in front: do requests arrive with the right Host and scheme?

A wrong Host or a missing X-Forwarded-Proto breaks everything else too, so this is the first check.
"""

import json
import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from videos import self_test

from .findings import Finding, fail, ok, skip
from .http_client import RequestFailed, Response, request

REDIRECTS = (301, 302, 303, 307, 308)


def proxy() -> Iterator[Finding]:
    """Load pages by the addresses of members and of the provider, as a browser would."""
    urls = [url for url in dict.fromkeys([settings.SITE_URL, settings.PUBLIC_URL]) if url]
    if not urls:
        yield skip("There is no address to check: neither LUMAWEB_SITE_URL nor LUMAWEB_PUBLIC_URL is set.")
        return
    problems = [problem for url in urls if (problem := problem_at(url))]
    yield from problems or [ok(f"No proxy changes the host or the scheme of requests to {' and '.join(urls)}.")]


def problem_at(url: str) -> Finding | None:
    """Return what a proxy at this address does to requests, or None.

    None also if the address cannot be reached or leads elsewhere, which the check of the public address reports.
    """
    nonce = secrets.token_hex(16)
    try:
        response = request("GET", f"{url}{reverse('healthz')}?nonce={nonce}")
        if response.status == 400 and _is_ours(response):
            return _wrong_host(url)
        if not (arrived := _arrived_at(response, nonce, url)):
            return None
        if arrived == "host":
            return _wrong_host(url)
        if arrived == "scheme" or _redirects_to_itself(url):
            return _wrong_scheme(url)
    except RequestFailed:
        pass
    return None


def _arrived_at(response: Response, nonce: str, url: str) -> str:
    """Return "url" if the request arrived unchanged, else what was changed: "host" or "scheme".

    "" if another program or another installation answers. The response proves the origin instead of naming it, which
    would tell visitors internal names.
    """
    try:
        body = json.loads(response.body)
    except ValueError:
        return ""
    if not isinstance(body, dict) or body.get("proof") != self_test.proof(nonce.encode()):
        return ""
    if "origin" not in body:
        return "url"  # an older version, during an upgrade
    host, scheme = urlsplit(url).netloc.lower(), urlsplit(url).scheme
    other = "http" if scheme == "https" else "https"
    proofs = {
        self_test.origin_proof(nonce, scheme, host): "url",
        self_test.origin_proof(nonce, other, host): "scheme" if scheme == "https" else "url",
    }
    return proofs.get(str(body.get("origin")), "host")


def _redirects_to_itself(url: str) -> bool:
    response = request("GET", f"{url}{reverse('login')}")
    target = urlsplit(response.headers.get("Location", ""))
    is_same_host = not target.netloc or target.netloc == urlsplit(url).netloc
    return response.status in REDIRECTS and is_same_host and target.path == reverse("login")


def _is_ours(response: Response) -> bool:
    """Return whether Lumaweb has answered: it gives each response an id."""
    return bool(response.headers.get("X-Request-ID"))


def _wrong_host(url: str) -> Finding:
    return fail(
        "proxy-host",
        "The proxy sends a wrong Host",
        f"Requests to {url} arrive with a Host other than {urlsplit(url).netloc}: pages are refused, or their links "
        "lead elsewhere.",
        "Let the proxy pass Host (nginx: proxy_set_header Host $http_host;), and add the name to "
        "LUMAWEB_ALLOWED_HOSTS if that is set.",
    )


def _wrong_scheme(url: str) -> Finding:
    return fail(
        "proxy-scheme",
        "The proxy does not say that requests came over TLS",
        f"Every page of {url} redirects to itself: the proxy does not set X-Forwarded-Proto to https.",
        "Let the proxy set it (nginx: proxy_set_header X-Forwarded-Proto $scheme;).",
    )

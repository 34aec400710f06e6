"""What is beyond this machine: the provider, the address it calls back to, the clock, mail.

What is proven is proven from here. A provider has no way to be asked for a call that costs nothing, so what it sees of
us only its own callbacks show: `callbacks` looks at the last ones.
"""

import json
import secrets
import socket
import ssl
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from smtplib import SMTPException
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import get_connection
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from videos import self_test
from videos.jobs import token_check
from videos.models import ApiToken, Generation, State

from .findings import Finding, fail, ok, skip, warn
from .wire import Answer, NoAnswer, ask

DAYS_LEFT, DAYS_COMFORTABLE = 3, 14
# A callback has a few KB; we take up to 64.
LARGE = 60 * 1024
CLOCK_OFF, CLOCK_WRONG = 5.0, 60.0  # seconds
LOOKED_AT = 20  # videos
LOOPBACK = ("127.0.0.1", "localhost", "::1")
UNKNOWN = b"Not found.\n"


def tokens_open() -> Iterator[Finding]:
    tokens = list(ApiToken.objects.order_by("pk"))
    if not tokens:
        yield warn("There is no API token: nothing can be sent.", "Add one under API tokens in the admin.")
    closed = [token for token in tokens if not token.is_readable]
    for token in closed:
        yield fail(
            f"The encryption keys do not open the API token “{token.name}”.",
            "Put the key it was stored with back into LUMAWEB_ENCRYPTION_KEYS, or give it a new secret in the admin.",
        )
    for token in tokens:
        if token.enabled and token not in closed and token.is_unhealthy:
            yield warn(
                f"The API token “{token.name}” is out of use: {token.last_error or token.condition}",
                "Test it in the admin.",
            )
    if tokens and not closed:
        yield ok(f"The keys open {'the API token' if len(tokens) == 1 else f'all {len(tokens)} API tokens'}.")


def tokens_work() -> Iterator[Finding]:
    """Ask each token's provider for a task that does not exist, which is free."""
    tokens = [token for token in ApiToken.objects.filter(enabled=True) if token.is_readable]
    if not tokens:
        yield skip("No enabled API token can be tested.")
    for token in tokens:
        check = token_check.check_secret(token, token.secret)
        words = f"“{token.name}” at {urlsplit(token.base_url).netloc}: {check.message}"
        if check.status == "ok":
            yield ok(words)
        elif check.status == "refused":
            yield fail(words, "Mend it under API tokens in the admin; queued videos wait for it.")
        else:
            yield warn(words, "Check that this machine reaches the provider; its status page may tell more.")


def media_hosts() -> Iterator[Finding]:
    """Compare the hosts that videos may be fetched from with those the provider is known to use."""
    allowed = {host.lower() for host in settings.MEDIA_HOSTS}
    missing = [host for host in settings.DEFAULT_MEDIA_HOSTS if host not in allowed]
    if missing:
        yield warn(
            f"LUMAWEB_MEDIA_HOSTS lacks {', '.join(missing)}: videos that the provider puts there cannot be saved.",
            "Add what is missing, or leave the variable unset to use Lumaweb's own list.",
        )
    else:
        yield ok("Videos may be fetched from every host that the provider is known to use.")


# ── The address ───────────────────────────────────────────────────────────────────────────────────────────────


def address() -> Iterator[Finding]:
    """Call ourselves by the public address, as a provider would."""
    public = settings.PUBLIC_URL
    if public is None:
        yield from _no_address()
        # A provider on this machine may use it all the same.
        public = settings.LOCAL_URL
    if not public:
        yield warn(
            "There is no public address: results are asked for every few seconds, and frames are uploaded to the "
            "provider.",
            "Set LUMAWEB_PUBLIC_URL to the address the provider can reach, if there is one.",
        )
        return
    host = urlsplit(public).hostname or ""
    try:
        inner = {
            found[4][0]
            for found in socket.getaddrinfo(host, None)
            if not ip_address(found[4][0].split("%")[0]).is_global
        }
    except OSError:
        yield fail(f"The name {host} is not known.", "Add it to the DNS, or mend LUMAWEB_PUBLIC_URL.")
        return
    if inner and host not in LOOPBACK:
        yield warn(
            f"From here {host} is an address of the inner network, which no provider on the internet reaches.",
            "That is fine if the DNS says something else outside, or the provider is on this network.",
        )
    found = list(_of_the_address(public))
    yield from found
    if not any(finding.level == "fail" for finding in found):
        yield ok(
            f"{public} leads here, and a callback comes through it unchanged. This is proven from this machine only: "
            "a firewall may still keep the provider out, which its own callbacks show (see there)."
        )


def _no_address() -> Iterator[Finding]:
    for token in ApiToken.objects.filter(enabled=True):
        if not token.public_url:
            frames = "uploaded to it" if token.takes_uploads() else f"given by link only: {token.uploads_refusal}"
            yield warn(
                f"There is no public address, so {urlsplit(token.base_url).netloc} is asked for results every few "
                f"seconds, and frames are {frames}.".replace("..", "."),
                "Set LUMAWEB_PUBLIC_URL to the address the provider can reach, if there is one.",
            )
            return


def _of_the_address(public: str) -> Iterator[Finding]:
    nonce = secrets.token_hex(16)
    try:
        answer = ask("GET", f"{public}/healthz?nonce={nonce}")
    except NoAnswer as error:
        yield fail(
            f"{public} cannot be reached from here: {error}",
            "Mend the certificate."
            if "certificate" in str(error)
            else "Check the proxy, the firewall and LUMAWEB_PUBLIC_URL. A router may not lead back to itself: then try "
            "from another network.",
        )
        return
    yield from _certificate(answer)
    if problem := _not_ours(answer, self_test.proof(nonce.encode())):
        yield fail(f"{public} {problem}", "Let the proxy pass everything on to this installation, at its root.")
        return
    yield from _callback(public, LARGE)
    yield from _frames(public)
    yield from _pages(public)


def _certificate(answer: Answer) -> Iterator[Finding]:
    if not (until := answer.certificate.get("notAfter")):
        return
    days = (ssl.cert_time_to_seconds(until) - time.time()) / 86400
    words = f"The certificate is good for {int(days)} more days."
    mend = "See why it is not renewed by itself."
    if days < DAYS_LEFT:
        yield fail(words, mend)
    else:
        yield ok(words) if days >= DAYS_COMFORTABLE else warn(words, mend)


def _not_ours(answer: Answer, proof: str) -> str:
    """What is wrong with an answer that should hold this proof; "" if it does."""
    if 300 <= answer.status < 400:
        there = urlsplit(answer.headers.get("Location", ""))
        return (
            f"sends on to {there.scheme}://{there.netloc}, and a provider does not follow."
            if there.netloc
            else "sends on."
        )
    if answer.status == 401:
        return "asks for a password."
    if answer.status == 413:
        return "does not let a body of that size through."
    if answer.status == 502 or answer.status == 504:
        return f"is answered by a proxy that does not reach us ({answer.status})."
    if answer.status != 200:
        return f"answers {answer.status} ({'ours' if answer.body == UNKNOWN else 'not of our making'})."
    try:
        given = json.loads(answer.body)
        given = given.get("proof", "") if isinstance(given, dict) else ""
    except ValueError:
        given = ""
    if not given:
        return "is answered by something else than Lumaweb."
    return "" if given == proof else "is answered by another installation, or what was sent arrived changed."


def _callback(public: str, size: int) -> Iterator[Finding]:
    """A rehearsal: the address is good for two minutes, is about no video, and proves what came through."""
    number = uuid.uuid4()
    path = reverse("callback", args=[number, self_test.key_for(number)])
    # As a provider's: JSON, here with a prompt as long as none is.
    body = json.dumps({"task_id": str(uuid.uuid4()), "prompt": secrets.token_hex(size // 2)}).encode()
    try:
        answer = ask("POST", f"{public}{path}", body=body, headers={"Content-Type": "application/json"})
    except NoAnswer as error:
        yield fail(f"A callback to {public} does not come through: {error}", "Check the proxy's limits for a body.")
        return
    if problem := _not_ours(answer, self_test.proof(body)):
        yield fail(
            f"A callback of {size // 1024} KB to {public} {problem}",
            "Let the proxy pass POST to /callbacks/ on as it comes: no redirect, no password, no filter, and bodies of "
            "64 KB (nginx: client_max_body_size; frames need 45m).",
        )


def _frames(public: str) -> Iterator[Finding]:
    try:
        answer = ask("GET", f"{public}{reverse('frame', args=[secrets.token_urlsafe(32)])}")
        good = answer.status == 404 and answer.body == UNKNOWN
    except NoAnswer:
        good = False
    if not good:
        yield fail(
            f"{public}/frames/ does not lead here, so a provider could not fetch start and end frames.",
            "Let the proxy pass /frames/ and /clips/ on, and keep no picture endings (.jpg) for itself.",
        )


def _pages(public: str) -> Iterator[Finding]:
    try:
        answer = ask("GET", f"{public}{reverse('login')}")
    except NoAnswer as error:
        yield fail(f"The sign-in page does not come: {error}", "Look at the proxy's log.")
        return
    if answer.status in (301, 302, 307, 308) and answer.headers.get("Location", "").startswith(public):
        if not urlsplit(answer.headers["Location"]).path.startswith("/setup"):
            yield fail(
                "Every page redirects to itself: the proxy does not say that it was reached by TLS.",
                "Have it set X-Forwarded-Proto to https (nginx: proxy_set_header X-Forwarded-Proto $scheme;).",
            )
    elif answer.status == 400:
        yield fail(
            f"Pages are refused: the proxy passes on another Host than {urlsplit(public).netloc}.",
            "Have it pass on Host (nginx: proxy_set_header Host $host;), or add the name to LUMAWEB_ALLOWED_HOSTS.",
        )


def callbacks() -> Iterator[Finding]:
    """What the last results show: whether each provider itself reaches us."""
    asked = False
    for token in ApiToken.objects.filter(enabled=True):
        if not token.public_url:
            continue
        asked = True
        ended = Generation.objects.filter(token=token, state=State.COMPLETED, finished_at__isnull=False)
        last = list(ended.order_by("-pk").values_list("via", "finished_at")[:LOOKED_AT])
        by = Counter(via for via, _ in last)
        provider = urlsplit(token.base_url).netloc
        if by["callback"]:
            when = timezone.localtime(max(at for via, at in last if via == "callback"))
            yield ok(
                f"{provider} reaches us: {by['callback']} of the last {by.total()} results came by its callback, the "
                f"latest on {when:%Y-%m-%d at %H:%M}."
            )
        elif by.total() >= 3:
            yield warn(
                f"None of the last {by.total()} results came by a callback of {provider}; all were asked for. "
                "It does not reach us.",
                "Look whether a firewall or the proxy keeps it out of /callbacks/.",
            )
        else:
            yield skip(f"Whether {provider} itself reaches us is not proven: its first video will show it.")
    if not asked:
        yield skip("No enabled API token's provider can call back, as there is no address for it.")


# ── The rest ──────────────────────────────────────────────────────────────────────────────────────────────────


def clock() -> Iterator[Finding]:
    """Hold our clock against those of whom we deal with."""
    others: dict[str, float] = {}
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            others["the database server"] = (timezone.now() - cursor.fetchone()[0]).total_seconds()
    for url in dict.fromkeys(filter(None, [settings.PUBLIC_URL, *_providers()])):
        if (off := _off(url)) is not None:
            others[urlsplit(url).netloc] = off
    wrong = {name: off for name, off in others.items() if abs(off) > CLOCK_OFF}
    for name, off in wrong.items():
        words = f"Our clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} that of {name}."
        level = fail if abs(off) > CLOCK_WRONG else warn
        yield level(words, "Have the clocks set by NTP (timedatectl set-ntp true).")
    if not others:
        yield skip("Nobody could be asked for the time.")
    elif not wrong:
        yield ok(f"Our clock agrees with {', '.join(others)}.")


def _providers() -> list[str]:
    return [token.base_url for token in ApiToken.objects.filter(enabled=True)]


def _off(url: str) -> float | None:
    """How far ours is ahead, in seconds, a second more or less; None where nothing is told."""
    began = datetime.now(UTC)
    try:
        answer = ask("GET", f"{url}/", seconds=5)
        theirs = parsedate_to_datetime(answer.headers.get("Date", ""))
    except (NoAnswer, ValueError, TypeError):
        return None
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    return (began + (datetime.now(UTC) - began) / 2 - theirs).total_seconds()


def mail() -> Iterator[Finding]:
    if settings.CAN_MAIL and not settings.SITE_URL:
        yield warn(
            "Mail is set, but not the address that members use: no links are mailed.",
            "Set LUMAWEB_SITE_URL to the address that members open in their browsers.",
        )
    if not settings.CAN_MAIL:
        yield ok("No mail is set: links are shown to the admin, who sends them.")
        return
    server = get_connection()
    try:
        server.open()
    except (OSError, SMTPException) as error:
        yield fail(
            f"The mail server {settings.EMAIL_HOST}:{settings.EMAIL_PORT} does not take us: {type(error).__name__}.",
            "Check LUMAWEB_EMAIL_URL: name, port, user and password.",
        )
        return
    finally:
        server.close()
    yield ok(f"The mail server {settings.EMAIL_HOST}:{settings.EMAIL_PORT} lets us in; no mail was sent.")

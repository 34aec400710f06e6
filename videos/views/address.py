"""From where somebody knocks, and what is counted of it."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

# Wrong passwords from one address, whatever the names, before it is kept out as a whole: an office shares one.
AN_ADDRESS_MAY = 30
# Secrets that are counted apart from the sign-in and from each other.
SETUP_CODE, PRESENT_PASSWORD = "set-up code", "present password"
# Counted in the same way, though nothing is wrong with asking for it once.
NEW_PASSWORD = "new password"


def client_address(request: HttpRequest) -> str:
    """From where somebody asks: what the trusted proxies saw, and never what the client says of itself.

    Each proxy adds the address it was reached from at the end of X-Forwarded-For, so with N of them the Nth from the
    end is the last that nobody outside could write. Without any, only the connection counts.
    """
    hops = settings.TRUSTED_PROXIES
    said = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    claimed = _counted(said[-hops]) if hops and len(said) >= hops else ""
    return claimed or _counted(request.META.get("REMOTE_ADDR", "")) or "127.0.0.1"


def _counted(said: str) -> str:
    """An address as it is counted, "" for what is none; of IPv6 the network, as whoever has one has 2**64 addresses."""
    try:
        address: IPv4Address | IPv6Address = ip_address(said.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False).network_address)
    return str(address)


def name_tried(request: HttpRequest, credentials: dict | None = None) -> str:
    """What is stored of the name somebody tries: a digest, as a password typed into the wrong field is one, too."""
    credentials = credentials or {}
    name = str(credentials.get("username") or request.POST.get("username") or "").casefold()
    # The kind is part of the salt: a username must never share a counter with the set-up code.
    salt = f"videos.{credentials.get('kind', 'sign-in')}"
    return salted_hmac(salt, name.encode("utf-8", "replace"), algorithm="sha256").hexdigest()


def counted_by(request_or_attempt, credentials: dict | None = None) -> list:
    """By what wrong passwords are counted: name and address together, or the address alone once it is a storm.

    A storm is counted for each path alone: wrong set-up codes do not block the sign-in.
    """
    address = getattr(request_or_attempt, "axes_ip_address", None) or getattr(request_or_attempt, "ip_address", None)
    path = getattr(request_or_attempt, "axes_path_info", None) or getattr(request_or_attempt, "path_info", "")
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    failed = AccessAttempt.objects.filter(ip_address=address, path_info=path, attempt_time__gte=since)
    storm = (failed.aggregate(all=Sum("failures_since_start"))["all"] or 0) >= AN_ADDRESS_MAY
    return ["ip_address"] if storm else [["username", "ip_address"]]


def _bare(request: HttpRequest, kind: str) -> HttpRequest:
    """Copy only the client address: with what else was sent, a password perhaps, nothing is to be stored."""
    bare = HttpRequest()
    names = ("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR")
    bare.META = {name: request.META[name] for name in names if name in request.META} | {"PATH_INFO": kind}
    return bare


def may_try(request: HttpRequest, kind: str, of: str = "") -> bool:
    """Tell whether this address may try another secret of this kind; `of` names whose secret it is."""
    return AxesProxyHandler.is_allowed(_bare(request, kind), {"username": of, "kind": kind})


def was_wrong(request: HttpRequest, kind: str, of: str = "") -> None:
    """Count a wrong secret of this kind: five for each `of`, thirty in all, from one address."""
    credentials = {"username": of, "kind": kind}
    AxesProxyHandler.user_login_failed(sender=was_wrong, credentials=credentials, request=_bare(request, kind))


def own_origin(request: HttpRequest) -> str:
    """Return the origin of links that a page shows: the address members use; without one, this request's.

    Never for mail: `mail.send_link` knows no request.
    """
    return settings.SITE_URL or f"{request.scheme}://{request.get_host()}"

"""Parse host names and the addresses of sites. Each function raises Invalid."""

import ipaddress
import re
from contextlib import suppress
from urllib.parse import urlsplit

import idna

from .values import words
from .variable import Invalid

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_QUOTES = "\"'`“”‘’"


def is_host(value: str) -> bool:
    """Return whether this is a host name or an IP address, without brackets."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        # A name that looks like an address, such as 10.0.0.300, is a mistake.
        return bool(_HOST_NAME.fullmatch(value.lower())) and not re.fullmatch(r"[0-9.]+", value)
    return True


def listening_host(value: str) -> str:
    """Parse the host or address to listen on."""
    bare = value.removeprefix("[").removesuffix("]")
    if is_host(bare):
        return bare
    cleaned, port = _cleaned(value)
    if value == "*":
        raise Invalid("0.0.0.0 for all addresses of this machine")
    if not is_host(cleaned):
        raise Invalid("an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all")
    remedy = f"{cleaned}, and PORT to {port}" if port else cleaned
    raise Invalid(remedy, _problem(value, port))


def served_hosts(value: str) -> list[str]:
    """Parse the hosts that are served: names, addresses, .example.com for a domain with its subdomains, or *."""
    return [bracketed(_host(name, name in ("*",) or is_host(name.removeprefix(".")))) for name in _listed(value)]


def media_hosts(value: str) -> list[str]:
    """Parse the hosts that media may be fetched from."""
    return [_host(name, is_host(name)) for name in _listed(value)]


def _listed(value: str) -> list[str]:
    if value.startswith(("[", "(")) and value.endswith(("]", ")")) and _QUOTES[0] in value.replace("'", '"'):
        raise Invalid(",".join(_cleaned(part)[0] for part in words(value.strip("[]()"))), "is written as code")
    if re.search(r"[\s;]", value) and "," not in value:
        parts = [_cleaned(part)[0] for part in re.split(r"[\s;]+", value) if part]
        raise Invalid(",".join(parts), "is not separated by commas")
    return words(value)


def _host(name: str, is_valid: bool) -> str:
    bare = name.removeprefix("[").removesuffix("]")
    if is_valid or (bare != name and is_host(bare)):
        return bare.lower()
    cleaned, port = _cleaned(name)
    if not is_host(cleaned.removeprefix(".")):
        raise Invalid("host names such as films.example.com, separated by commas", f"contains {name!r}, not a host")
    raise Invalid(f"{cleaned} in this place", f"contains {name!r}: it {_problem(name, port)}")


def bracketed(host: str) -> str:
    """Return the host as it is written in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def _cleaned(name: str) -> tuple[str, str]:
    """Return the host that is probably meant, and the port that was written with it."""
    bare = name.strip(f" {_QUOTES}").rpartition("://")[2]
    bare = re.split(r"[/?#]", bare, maxsplit=1)[0].rpartition("@")[2].strip(_QUOTES)
    if found := re.fullmatch(r"(\[.*\]|[^:]*):([0-9]*)", bare):
        return _in_ascii(found[1]).strip("[]").rstrip("."), found[2]
    return _in_ascii(bare).strip("[]").rstrip("."), ""


def _in_ascii(host: str) -> str:
    """Return an international host name as browsers send it; unchanged if it has no such form."""
    with suppress(UnicodeError):
        return host if host.isascii() else idna.encode(host, uts46=True).decode()
    return host


def _problem(name: str, port: str) -> str:
    if any(quote in name for quote in _QUOTES):
        return "has quotes"
    if "://" in name:
        return "has a scheme"
    if "/" in name:
        return "has a path"
    if port:
        return "has a port"
    return "is written differently" if name.isascii() else "is not ASCII"


def origin(value: str) -> str:
    """Parse an http(s) address without a path, and return it without a trailing slash; "" if empty."""
    if not value:
        return ""
    example = "an address such as https://films.example.com"
    if re.search(rf"[\s{_QUOTES}]", value):
        raise Invalid(example, "has spaces or quotes")
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Invalid(example) from None
    if parts.scheme not in ("http", "https") or "://" not in value:
        without = re.split(r"[/?#]", value.rpartition("://")[2], maxsplit=1)[0]
        raise Invalid(f"{example}; perhaps https://{without}", "does not begin with https:// or http://")
    if "@" in parts.netloc:
        raise Invalid(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", "has a user or a password")
    if not host.isascii() and is_host(ascii_host := _in_ascii(host)):
        raise Invalid(f"{parts.scheme}://{ascii_host}{f':{port}' if port else ''}", "has a host name that is not ASCII")
    if not is_host(host):
        raise Invalid(example, "has no valid host" if host else "has no host")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise Invalid(f"{example}; perhaps {parts.scheme}://{parts.netloc}", "has a path")
    if port == 0 or parts.netloc.endswith(":"):
        raise Invalid(f"{parts.scheme}://{bracketed(host)}", "has no valid port")
    return f"{parts.scheme}://{parts.netloc}"

"""Clean a pasted API token or provider's address, or say what is wrong with it."""

import re
import unicodedata
from urllib.parse import urlsplit

from django.forms import ValidationError

from ..media.download import NotAllowed, check_public_host, origin_of
from ..media.download.links import DEFAULT_PORTS

MAX_LENGTH = 1000
# Invisible characters that consoles, chats and PDF files add: soft hyphen, zero-width ones, BOM.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_QUOTES = "\"'`´‘’‚“”„«»‹›"
# The words before a token in a header, also inside a copied command or piece of code.
_PREFIX = re.compile(r"\bbearer(?:[\s:=]+|$)|\bauthorization[\"']?\s*[:=]\s*", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"^(?:export\s+)?[A-Z][A-Z0-9_]{2,}\s*=\s*")
_API_PATH = re.compile(r"/luma(?:/(?:videos|tasks))?$", re.IGNORECASE)


def clean_token(text: str) -> str:
    """Return the API token in a pasted text, without quotes, "Bearer" or a header's name; raise ValidationError."""
    token = clean_secret(text)
    if token.lower().startswith("platform-"):
        raise ValidationError(
            "This is a platform token, which can read the balance but make no videos. Copy the token of the Luma "
            "videos service, under Credentials."
        )
    return token


def clean_secret(text: str) -> str:
    """Return the token of either kind in a pasted text, as `clean_token` does."""
    text = text.translate(_INVISIBLE).replace("\u00a0", " ")
    if not text.strip():
        raise ValidationError("Enter the token.", code="required")
    token = _strip_wrapping(text)
    if not token:
        raise ValidationError("This has no token in it, only the words around one. Copy it again.")
    # A terminal or a mail wraps a long token into lines.
    token = re.sub(r"[\r\n\t]+\s*", "", token)
    if problem := _problem(token):
        raise ValidationError(problem)
    return token


def _strip_wrapping(text: str) -> str:
    edges = f"{_QUOTES},;{{}} \r\n\t"
    while prefix := _PREFIX.search(text):
        rest = text[prefix.end() :].lstrip(edges)
        # The text after a closing quote is the rest of a command.
        text = re.split(r"[\"']", rest, maxsplit=1)[0] if _PREFIX.match(rest) is None else rest
    return _ASSIGNMENT.sub("", text.strip(edges)).strip(edges)


def _problem(token: str) -> str:
    """Say why a text cannot be a token; "" if it may be one."""
    if len(token) > MAX_LENGTH:
        return f"This is longer than {MAX_LENGTH:,} characters, so it is not a token. Copy the token alone."
    if re.match(r"https?://", token, re.IGNORECASE):
        return "This is a link. Copy the token itself, from Credentials in the provider's console."
    if re.search(r"[•●∙·*…]{2}|…|\.{3}|x{6}", token):
        return "This token is masked: a part of it is hidden. Use the copy button of the provider's console."
    if re.search(r"\s", token):
        return "This has a space in it, and a token has none. Copy the token alone."
    if not (token.isascii() and token.isprintable()):
        wrong = next(letter for letter in token if not (letter.isascii() and letter.isprintable()))
        name = unicodedata.name(wrong, "an invisible character").lower()
        return f"This has a character that no token has ({name}). Copy the token again."
    if re.search(r"[\"'<>{}]", token) or re.fullmatch(r"(?:your|my|the)?[-_]?(?:api)?[-_]?token", token, re.IGNORECASE):
        return "This looks like an example. Copy your own token from the provider's console."
    return ""


def clean_base_url(text: str) -> str:
    """Return the origin of a provider's API; raise ValidationError. A missing https:// and the API's path are fixed."""
    address = text.translate(_INVISIBLE).strip(f"{_QUOTES}<> \r\n\t")
    if "://" not in address:
        address = f"https://{address}"
    try:
        parts = urlsplit(address)
        path = _API_PATH.sub("", parts.path.rstrip("/")).rstrip("/")
        scheme, host, port = origin_of(address)
    except (NotAllowed, ValueError):
        raise ValidationError("Enter the address of the API, such as https://api.acedata.cloud.") from None
    if parts.query or parts.fragment:
        raise ValidationError("The address has a query. Enter the address of the API only.")
    if scheme == "http" and not check_public_host(address):
        raise ValidationError("Use https:// here: over http:// others could read the token.")
    host = f"[{host}]" if ":" in host else host
    port_part = "" if port == DEFAULT_PORTS[scheme] else f":{port}"
    return f"{scheme}://{host}{port_part}{path}"

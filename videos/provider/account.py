"""Read the balance and the charges of an account with a platform token, which can do nothing else.

Both answers are documented by two field names only (`remaining_amount`, `deducted_amount`), so lists, pages, numbers
and names are read in every form that the provider's other answers have.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

import httpx

from . import http
from .errors import ProviderError, code_by_status, retry_after
from .parsing import read_error
from .types import MESSAGE_LENGTH, PUBLIC_BASE_URL
from .uploads import PLATFORM_URL
from .values import clean_text, parse_id, parse_json, parse_time

APPLICATIONS_PATH, USAGE_PATH = "/api/v1/applications/", "/api/v1/usage/apis/"
PAGE_SIZE = 100  # a provider may return fewer
MAX_PAGES = 40
MAX_AMOUNT = Decimal(10) ** 12
SERVICE = "luma"
LIST_NAMES = ("items", "results", "data")
SERVICE_NAMES = ("alias", "title", "name", "path", "slug")
NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Charge:
    """One entry of the provider's usage: an amount in the provider's credits, and when it was made."""

    amount: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Charges:
    """The charges for Luma since a time; `since` is later than the requested one if not every page was read."""

    since: datetime
    items: tuple[Charge, ...]

    @property
    def amount(self) -> Decimal:
        return sum((charge.amount for charge in self.items), Decimal(0))

    @property
    def videos(self) -> int:
        return sum(charge.amount > 0 for charge in self.items)


def platform_url(base_url: str) -> str:
    """Return the address of the platform of an API; only the public API has it on another host."""
    base_url = base_url.rstrip("/")
    return PLATFORM_URL if base_url == PUBLIC_BASE_URL else base_url


class AccountClient:
    """Call one platform with one platform token. Every call is free and changes nothing."""

    def __init__(self, base_url: str, token: str, *, client: httpx.AsyncClient) -> None:
        self.base_url = base_url.rstrip("/")
        self._token = token
        self._client = client

    def __repr__(self) -> str:
        return f"<AccountClient {self.base_url}>"

    async def balance(self, seconds: float) -> Decimal:
        """Return the credits that are left for Luma; raise ProviderError."""
        items, _ = await self._page(APPLICATIONS_PATH, 0, seconds)
        amounts = [(item, amount) for item in items if (amount := _amount(item.get("remaining_amount"))) is not None]
        named = [(item, amount) for item, amount in amounts if _names_service(item) is not False]
        if not named:
            raise ProviderError(
                "no_balance",
                "This account has no application for Luma with a balance." if items else "The account has no service.",
                status=200,
            )
        # A balance without a service counts only if none is for Luma by name.
        luma = [amount for item, amount in named if _names_service(item)]
        return sum(luma or [amount for _, amount in named], Decimal(0))

    async def charges(self, since: datetime, seconds: float) -> Charges:
        """Return the charges for Luma since a time, as far back as MAX_PAGES reach; raise ProviderError.

        Newest first is requested, but not relied on: pages are read until one brings nothing new.
        """
        found: dict[str, tuple[Charge, bool]] = {}
        is_complete, is_newest_first, offset = False, True, 0
        deadline = asyncio.get_running_loop().time() + seconds
        for _ in range(MAX_PAGES):
            try:
                items, total = await self._page(USAGE_PATH, offset, deadline - asyncio.get_running_loop().time())
            except ProviderError as error:
                if not found or error.code != "no_answer":
                    raise
                break  # the pages that were read cover a shorter time
            page = dict(_charges(items))
            news = page.keys() - found.keys()
            found |= page
            offset += len(items)
            times = [charge.at for charge, _ in page.values()]
            is_newest_first &= times == sorted(times, reverse=True)
            is_last = not news or (total is not None and offset >= total)
            if is_last or (is_newest_first and times[-1] < since):
                is_complete = True
                break
        if not (is_complete or is_newest_first):
            raise ProviderError("unreadable", "The provider has too many charges, and not newest first.", status=200)
        if not is_complete:
            since = max(since, min(charge.at for charge, _ in found.values()))
        return Charges(since, tuple(c for c, is_luma in found.values() if is_luma and c.at >= since))

    async def _page(self, path: str, offset: int, seconds: float) -> tuple[list[dict[str, Any]], int | None]:
        """Return the items of one page, and the number of items on all pages if the answer says it."""
        params: dict[str, str | int] = {"limit": PAGE_SIZE, "offset": offset, "ordering": "-created_at"}
        try:
            response, body = await http.get(
                self._client, self.base_url + path, self._token, params=params, seconds=seconds
            )
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            # OSError includes asyncio's TimeoutError.
            raise ProviderError("no_answer", f"{urlsplit(self.base_url).netloc} does not answer.") from error
        document = parse_json(body)
        if not response.is_success:
            raise self._refusal(response, document)
        items, total = read_list(document)
        if items is None:
            raise ProviderError("unreadable", "The answer is not a list.", status=response.status_code)
        return items, total

    def _refusal(self, response: httpx.Response, document: Any) -> ProviderError:
        status, fields = response.status_code, document if isinstance(document, dict) else {}
        code, message = read_error(fields.get("error"))
        message = message or clean_text(fields.get("detail"), MESSAGE_LENGTH)
        code = code or code_by_status(status, is_page=document is None, has_message=bool(message))
        wait = retry_after(response.headers.get("retry-after", ""))
        trace_id = parse_id(fields.get("trace_id"))
        return ProviderError(
            code, message.replace(self._token, "…"), status=status, trace_id=trace_id, retry_after=wait
        )


def read_list(document: Any) -> tuple[list[dict[str, Any]] | None, int | None]:
    """Return the objects of a list or a page, None if there is no list; and the total number if the page says it."""
    if isinstance(document, list):
        return [item for item in document if isinstance(item, dict)], None
    if not isinstance(document, dict):
        return None, None
    for name in LIST_NAMES:
        if isinstance(document.get(name), list | dict):
            items, inner = read_list(document[name])
            total = next((document[key] for key in ("count", "total") if _is_count(document.get(key))), inner)
            if items is not None:
                return items, total
    return None, None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _charges(items: list[dict[str, Any]]) -> Iterator[tuple[str, tuple[Charge, bool]]]:
    """Yield an identity for each charge, and whether it may be for Luma; raise ProviderError if none has a time."""
    is_dated = False
    for item in items:
        at = next(filter(None, (parse_time(item.get(key)) for key in ("created_at", "finished_at", "time"))), None)
        amount = _amount(item.get("deducted_amount"))
        if at is None:
            continue
        is_dated = True
        identity = next(filter(None, (parse_id(item.get(key)) for key in ("id", "_id", "trace_id"))), "")
        yield (
            identity or f"{at.isoformat()} {amount}",
            (Charge(amount or Decimal(0), at), _names_service(item) is not False),
        )
    if items and not is_dated:
        raise ProviderError("unreadable", "The provider's charges have no dates.", status=200)


def _names_service(item: dict[str, Any]) -> bool | None:
    """Tell whether an item names Luma as its service; None if it names no service in words."""
    words = list(_service_words(item))
    return any(SERVICE in word.lower() for word in words) if words else None


def _service_words(item: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the service in an item, in its application or in its API, and their paths."""
    yield from filter(None, (clean_text(item.get(key), NAME_LENGTH) for key in ("path", "api_path", "service_alias")))
    for name in ("service", "api", "application"):
        value = item.get(name)
        if isinstance(value, dict):
            yield from filter(None, (clean_text(value.get(key), NAME_LENGTH) for key in SERVICE_NAMES))
            if name != "service":
                yield from _service_words({"service": value.get("service")})
        else:
            yield from filter(None, (clean_text(value, NAME_LENGTH),))


def _amount(value: Any) -> Decimal | None:
    """Return a finite number, also from a string; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value).strip().replace(",", ""))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) < MAX_AMOUNT else None

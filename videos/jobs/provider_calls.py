"""Call the provider with a stored API token."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from .. import provider
from ..models import ApiToken
from ..models.token import TokenUnreadable

T = TypeVar("T")
Call = Callable[[provider.LumaClient], Awaitable[T]]

LOOK_UP_SECONDS = 60.0


def look_up(token: ApiToken, task_id: str) -> provider.Result | None:
    """Look up one task with this token; return None if the provider does not know it. Raises ProviderError."""
    return call_provider(token, lambda luma: luma.task(task_id), LOOK_UP_SECONDS)


def call_provider(token: ApiToken, call: Call[T], seconds: float) -> T:
    """Make one call within so many seconds. Raises ProviderError."""
    [answer] = call_providers([(token, call)], seconds)
    if isinstance(answer, provider.ProviderError):
        raise answer
    return answer


def call_providers(calls: Sequence[tuple[ApiToken, Call[T]]], seconds: float) -> list[T | provider.ProviderError]:
    """Make all calls at once, so that no provider waits for another that hangs; return results and errors in order."""

    async def run() -> list[T | provider.ProviderError]:
        async with provider.new_client() as client:

            async def one(token: ApiToken, call: Call[T]) -> T | provider.ProviderError:
                try:
                    luma = provider.LumaClient(token.base_url, open_secret(token), client=client)
                    async with asyncio.timeout(seconds):
                        return await call(luma)
                except provider.ProviderError as error:
                    return error
                except TimeoutError:
                    return provider.ProviderError("no_answer", f"No answer from the provider within {seconds:.0f} s.")

            return await asyncio.gather(*(one(token, call) for token, call in calls))

    return asyncio.run(run())


def open_secret(token: ApiToken) -> str:
    """Decrypt a token; raise ProviderError `token_unreadable` if its encryption key is missing."""
    try:
        return token.secret
    except TokenUnreadable as error:
        raise not_sent("token_unreadable", str(error)) from None


def not_sent(code: str, message: str) -> provider.ProviderError:
    """Return the error of a request that Lumaweb did not send."""
    return provider.ProviderError(code, message, sent=provider.Sent.NEVER)

"""Look up one task at the provider with one token."""

import asyncio

from .. import provider
from ..models import ApiToken
from ..models.token import TokenUnreadable


def look_up(token: ApiToken, task_id: str) -> provider.Result | None:
    """One task, with this token; None if it has none by this id. Raises provider.ProviderError."""
    secret = open_secret(token)

    async def look() -> provider.Result | None:
        async with provider.new_client() as client:
            return await provider.LumaClient(token.base_url, secret, client=client).task(task_id)

    return asyncio.run(look())


def open_secret(token: ApiToken) -> str:
    """Decrypt a token; raise provider.ProviderError, as never sent, where its key is missing."""
    try:
        return token.secret
    except TokenUnreadable as error:
        raise not_sent("token_unreadable", str(error)) from None


def not_sent(code: str, message: str) -> provider.ProviderError:
    """Build the error of a request that Lumaweb did not send, for a reason an admin has to remove."""
    return provider.ProviderError(code, message, whose=provider.Whose.ADMIN, sent=provider.Sent.NEVER)

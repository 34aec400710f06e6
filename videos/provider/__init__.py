"""The wire contract of AceDataCloud's Luma API, and the only package that knows it.

Frozen dataclasses go in and come out; every failure is one ProviderError. Nothing here knows Django.
"""

from .client import LumaClient, new_client
from .errors import MAX_RETRY_AFTER, ProviderError
from .examples import PLACEHOLDER, examples
from .parsing import echoed_request, read_callback
from .types import (
    ASKED_URL_LENGTH,
    ASPECT_RATIOS,
    BATCH_LIMIT,
    CODE_LENGTH,
    ID_LENGTH,
    MESSAGE_LENGTH,
    PROMPT_LENGTH,
    PUBLIC_BASE_URL,
    SIZE_LIMIT,
    URL_LENGTH,
    Request,
    Result,
    Sent,
    Status,
    Whose,
)

__all__ = [
    "ASKED_URL_LENGTH",
    "ASPECT_RATIOS",
    "BATCH_LIMIT",
    "CODE_LENGTH",
    "ID_LENGTH",
    "MAX_RETRY_AFTER",
    "MESSAGE_LENGTH",
    "PLACEHOLDER",
    "PROMPT_LENGTH",
    "PUBLIC_BASE_URL",
    "SIZE_LIMIT",
    "URL_LENGTH",
    "LumaClient",
    "ProviderError",
    "Request",
    "Result",
    "Sent",
    "Status",
    "Whose",
    "echoed_request",
    "examples",
    "new_client",
    "read_callback",
]

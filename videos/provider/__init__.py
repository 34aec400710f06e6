"""The wire contract of AceDataCloud's Luma API, and the only package that knows it.

Frozen dataclasses go in and come out; every failure is one ProviderError. Nothing here knows Django.
"""

from .client import LumaClient, new_client
from .errors import MAX_RETRY_AFTER, ProviderError
from .examples import PLACEHOLDER, examples
from .files import MAX_UPLOAD_BYTES, UploadedFile, upload_endpoints, upload_file
from .listing import PAGE_SIZE, ListedTask, TaskPage, has_no_listing
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
    "MAX_UPLOAD_BYTES",
    "MESSAGE_LENGTH",
    "PAGE_SIZE",
    "PLACEHOLDER",
    "PROMPT_LENGTH",
    "PUBLIC_BASE_URL",
    "SIZE_LIMIT",
    "URL_LENGTH",
    "ListedTask",
    "LumaClient",
    "ProviderError",
    "Request",
    "Result",
    "Sent",
    "Status",
    "TaskPage",
    "UploadedFile",
    "Whose",
    "echoed_request",
    "examples",
    "has_no_listing",
    "new_client",
    "read_callback",
    "upload_endpoints",
    "upload_file",
]

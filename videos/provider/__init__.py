"""The client of AceDataCloud's Luma API, and the only code that knows its contract.

Requests and results are frozen dataclasses; every failure is a ProviderError. Nothing here imports Django.
"""

from .account import AccountClient, Charges, platform_url
from .client import LumaClient
from .errors import MAX_RETRY_AFTER, ProviderError
from .examples import PLACEHOLDER, examples
from .http import HttpClient, new_client
from .listing import PAGE_SIZE, ListedTask, TaskPage, has_no_listing
from .parsing import echoed_request, read_callback
from .types import (
    ASPECT_RATIOS,
    BATCH_LIMIT,
    CODE_LENGTH,
    ID_LENGTH,
    MESSAGE_LENGTH,
    PROMPT_LENGTH,
    PUBLIC_BASE_URL,
    REQUEST_SETTINGS,
    REQUEST_URL_LENGTH,
    SIZE_LIMIT,
    URL_LENGTH,
    Request,
    Result,
    Sent,
    Status,
)
from .uploads import MAX_UPLOAD_BYTES, UploadedFile, upload_endpoints, upload_file

__all__ = [
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
    "REQUEST_SETTINGS",
    "REQUEST_URL_LENGTH",
    "SIZE_LIMIT",
    "URL_LENGTH",
    "AccountClient",
    "Charges",
    "HttpClient",
    "ListedTask",
    "LumaClient",
    "ProviderError",
    "Request",
    "Result",
    "Sent",
    "Status",
    "TaskPage",
    "UploadedFile",
    "echoed_request",
    "examples",
    "has_no_listing",
    "new_client",
    "platform_url",
    "read_callback",
    "upload_endpoints",
    "upload_file",
]

"""The page on which an admin connects a provider."""

import re

from videos.models import ApiToken, AuditEntry, Balance, Event, Generation, Pricing

SECRET = "the-secret-of-luma-7Q4f"

OLD = "http://127.0.0.1:8"


def connect(client, url: str, **fields):
    return client.post("/provider/tokens/", {"name": "Studio", "token": SECRET, "base_url": url} | fields)


def everything() -> list:
    """Return all rows that a connection could change."""
    models = (ApiToken, AuditEntry, Event, Generation, Pricing, Balance)
    return [list(model.objects.order_by("pk").values()) for model in models]


def text_of(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


# ── Connecting ───────────────────────────────────────────────────────────────────────────────────────────────────────


def error(code: str, message: str = "in the provider's words") -> dict:
    return {"error": {"code": code, "message": message}, "trace_id": "trace-1"}

"""Answers of the provider as the client reads them, from the golden payloads."""

import asyncio
from pathlib import Path

import httpx
import pytest

from videos.provider import LumaClient, ProviderError, Request, Result, Status, new_client

PAYLOADS = Path(__file__).resolve().parents[1] / "payloads"

TASK = "e4018a99-1522-4f24-9330-62c2a9b50b59"

VIDEO = "155838f8-7f1e-44d8-b387-192f3b4b509d"

TRACE = "3f6c5b1e-0a52-4a7c-9d2e-7b1c6f0a9e11"

LINK = f"https://platform.cdn.acedata.cloud/luma/{TASK}.mp4"

PROMPT = "Astronauts shuttle from space to volcano"


def golden(name):
    return (PAYLOADS / f"{name}.json").read_bytes()


def answered(call, status=200, body=b"{}", *, headers=None, base_url="https://api.example", token="secret"):
    """Return the outcome of one call that gets one canned response, and the request it sent."""
    seen = []

    def wire(request):
        seen.append(request)
        if isinstance(body, Exception):
            raise body
        return httpx.Response(status, stream=httpx.ByteStream(body), headers=headers)

    async def run():
        async with new_client(httpx.MockTransport(wire)) as client:
            return await call(LumaClient(base_url, token, client=client))

    return asyncio.run(run()), seen


def failure(call, *args, **kwargs):
    with pytest.raises(ProviderError) as caught:
        answered(call, *args, **kwargs)
    return caught.value


def submit(client):
    return client.submit(Request(prompt=PROMPT))


def look(client):
    return client.task(TASK)


def look_at_two(client):
    return client.tasks([TASK, VIDEO])


WHOLE = Result(
    TASK,
    Status.COMPLETED,
    VIDEO,
    LINK,
    1360,
    752,
    LINK.replace("mp4", "jpg"),
    1360,
    752,
    PROMPT,
    "completed",
    True,
)

FAILED = Result(
    TASK,
    Status.FAILED,
    success=False,
    error_code="api_error",
    error_message="The video could not be made.",
    trace_id=TRACE,
)

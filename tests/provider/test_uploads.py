"""Upload frames to the provider: both endpoints of the contract and every refusal."""

import asyncio
import json
from datetime import UTC, datetime

import httpx
import pytest

from videos.provider import MAX_UPLOAD_BYTES, ProviderError, Sent, new_client, upload_endpoints, upload_file

API, PLATFORM = "/files/upload", "/api/v1/files/"
LINK = "https://cdn.acedata.cloud/7f849b80b9.jpg"
PICTURE = b"\xff\xd8\xff picture"


def upload(answers, *, content=PICTURE, base_url="https://api.example", token="secret", known_endpoint=""):
    """Upload against canned answers by path: (status, body) or an exception; return the outcome and the requests."""
    seen = []

    def wire(request):
        seen.append(request)
        answer = answers[request.url.path]
        if isinstance(answer, Exception):
            raise answer
        status, body, *headers = answer
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, stream=httpx.ByteStream(body), headers=headers[0] if headers else None)

    async def run():
        async with new_client(httpx.MockTransport(wire)) as client:
            try:
                return await upload_file(
                    client, base_url, token, content,
                    filename="frame.jpg", content_type="image/jpeg", known_endpoint=known_endpoint,
                )  # fmt: skip
            except ProviderError as error:
                return error

    return asyncio.run(run()), seen


def test_the_api_form_is_a_multipart_field_with_the_token():
    file, seen = upload({API: (200, {"success": True, "url": LINK, "expires_at": "2026-12-04T12:00:00Z"})})
    assert (file.url, file.expires_at) == (LINK, datetime(2026, 12, 4, 12, tzinfo=UTC))
    assert file.endpoint == f"https://api.example{API}"
    [request] = seen
    body = request.content
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="file"; filename="frame.jpg"' in body
    assert b"Content-Type: image/jpeg" in body
    assert PICTURE in body


def test_the_platform_form_follows_a_refusal_of_the_api_form():
    file, seen = upload({API: (404, b"<html>"), PLATFORM: (200, {"file_url": LINK, "mime": "image/jpeg"})})
    assert (file.url, file.expires_at) == (LINK, None)
    assert [request.url.path for request in seen] == [API, PLATFORM]


def test_the_endpoint_that_took_the_last_one_is_tried_first():
    known = f"https://api.example{PLATFORM}"
    file, seen = upload({PLATFORM: (201, {"file_url": LINK})}, known_endpoint=known)
    assert file.endpoint == known
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("base_url", "platform"),
    [
        ("https://api.acedata.cloud", "https://platform.acedata.cloud/api/v1/files/"),
        ("https://api.acedata.cloud/", "https://platform.acedata.cloud/api/v1/files/"),
        ("https://api.gateway.example", "https://api.gateway.example/api/v1/files/"),
        ("http://127.0.0.1:8801", "http://127.0.0.1:8801/api/v1/files/"),
    ],
)
def test_a_token_is_not_sent_to_a_guessed_host(base_url, platform):
    assert upload_endpoints(base_url) == (f"{base_url.rstrip('/')}/files/upload", platform)


NO = [
    (301, b"", {"location": "https://elsewhere.example/"}),
    (302, b"", {"location": "https://elsewhere.example/"}),
    (400, {"error": {"code": "no_api", "message": "no such API"}}),
    (401, {"error": {"code": "invalid_token", "message": "no"}}),
    (402, {"error": {"code": "used_up", "message": "no"}}),
    (403, {"detail": "A platform token is required."}),
    (404, b"<html>nginx</html>"),
    (405, b""),
    (200, b"<html>sign in</html>"),
    (200, {}),
    (200, []),
    (200, {"success": False, "url": LINK}),
    (200, {"url": "ftp://cdn.acedata.cloud/a.jpg"}),
    (200, {"url": "javascript:alert(1)"}),
    (200, {"url": ["https://cdn.acedata.cloud/a.jpg"]}),
]


@pytest.mark.parametrize("answer", NO)
def test_a_frame_that_both_endpoints_refuse_is_refused_and_never_sent(answer):
    error, seen = upload({API: answer, PLATFORM: answer})
    assert (error.code, error.sent, error.status) == ("upload_refused", Sent.NEVER, answer[0])
    assert [request.url.path for request in seen] == [API, PLATFORM]
    assert str(answer[0]) in error.message


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("no"),
        httpx.ReadTimeout("slow"),
        httpx.WriteError("cut"),
        httpx.RemoteProtocolError("cut"),
        (408, b""),
        (429, {"error": {"code": "too_many_requests", "message": "slow down"}}),
        (500, {"error": {"code": "api_error", "message": "oh"}}),
        (503, b"<html>"),
    ],
)
def test_a_temporary_failure_is_not_retried_at_the_other_endpoint(answer):
    error, seen = upload({API: answer})
    assert (error.code, error.sent) == ("upload_failed", Sent.NEVER)
    assert len(seen) == 1


def test_retry_after_is_kept():
    error, _ = upload({API: (429, b"", {"retry-after": "17"})})
    assert error.retry_after == 17


def test_a_refusal_counts_even_if_the_other_endpoint_is_unreachable():
    error, _ = upload({API: (404, b""), PLATFORM: httpx.ConnectError("no route")})
    assert error.code == "upload_refused"
    assert "404" in error.message


def test_a_frame_that_is_too_large_is_not_sent():
    error, seen = upload({}, content=b"x" * (MAX_UPLOAD_BYTES + 1))
    assert (error.code, seen) == ("upload_too_large", [])
    file, _ = upload({API: (200, {"url": LINK})}, content=b"x" * MAX_UPLOAD_BYTES)
    assert file.url == LINK
    assert upload({API: (413, b"")})[0].code == "upload_too_large"


def test_moderation_of_a_frame_says_nothing_about_the_endpoint():
    error, _ = upload({API: (403, {"error": {"code": "content_moderation", "message": "refused"}})})
    assert (error.code, error.sent) == ("content_moderation", Sent.NEVER)


def test_the_token_is_in_no_message():
    says = (403, {"error": {"code": "forbidden", "message": "secret may not upload"}})
    error, _ = upload({API: says, PLATFORM: says})
    assert "secret" not in str(error)
    assert "… may not upload" in error.message


@pytest.mark.parametrize("base_url", ["", "ftp://api.example", "http://", "https://api.example:99999999", "nonsense"])
def test_an_unusable_address_is_never_sent(base_url):
    error, seen = upload({API: (200, {"url": LINK}), PLATFORM: (200, {"url": LINK})}, base_url=base_url)
    assert error.sent is Sent.NEVER
    assert error.code == "not_sent"
    assert not seen


def test_an_unusable_token_is_never_sent():
    error, seen = upload({}, token="a b")
    assert (error.code, seen) == ("not_sent", [])

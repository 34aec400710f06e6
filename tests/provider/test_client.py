"""The provider's client: requests as the contract has them, and every error's outcome."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from videos.provider import ASPECT_RATIOS, LumaClient, ProviderError, Request, Result, Sent, new_client

from ..support.provider_answers import (
    LINK,
    PROMPT,
    TASK,
    TRACE,
    VIDEO,
    answered,
    failure,
    golden,
    look,
    look_at_two,
    submit,
)
from ..support.provider_urls import CALLBACK, END, START


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("request_generate", Request(prompt=PROMPT)),
        ("request_generate_start", Request(prompt=PROMPT, start_image_url=START)),
        ("request_generate_frames", Request(prompt=PROMPT, start_image_url=START, end_image_url=END)),
        ("request_generate_callback", Request(prompt=PROMPT, callback_url=CALLBACK)),
        (
            "request_generate_async",
            Request(
                prompt=PROMPT,
                aspect_ratio="9:16",
                enhancement=False,
                loop=True,
                timeout=600,
                asynchronous=True,
            ),
        ),
        ("request_extend_id", Request("extend", PROMPT, video_id=VIDEO)),
        ("request_extend_url", Request("extend", PROMPT, video_url=LINK)),
        ("request_extend_end", Request("extend", PROMPT, video_id=VIDEO, end_image_url=END)),
    ],
)
def test_a_request_matches_the_contract(name, request_):
    result, [sent] = answered(lambda client: client.submit(request_), body=golden("answer_task_id"))
    assert json.loads(sent.content) == json.loads(golden(name))
    assert (sent.method, str(sent.url)) == ("POST", "https://api.example/luma/videos")
    assert sent.headers["accept"] == sent.headers["content-type"] == "application/json"
    assert sent.headers["authorization"] == "Bearer secret"
    assert result == Result(TASK)


def test_an_extension_sends_no_start_frame_and_one_reference_to_its_source():
    payload = Request("extend", "on", video_id=VIDEO, video_url=LINK, start_image_url=START).payload()
    assert payload["video_id"] == VIDEO
    assert not {"video_url", "start_image_url", "aspect_ratio"} & payload.keys()


def test_an_extension_with_another_aspect_ratio_names_it():
    assert Request("extend", "on", "9:16", video_id=VIDEO).payload()["aspect_ratio"] == "9:16"
    assert "aspect_ratio" not in Request("extend", "on", "", video_id=VIDEO).payload()


def test_a_generation_sends_no_reference_to_a_source():
    assert not {"video_id", "video_url"} & Request(video_id=VIDEO, video_url=LINK).payload().keys()


def test_there_are_seven_ratios():
    assert len(set(ASPECT_RATIOS)) == 7


def test_look_ups_match_the_contract():
    _, [one] = answered(look, body=golden("task_running").replace(VIDEO.encode(), TASK.encode()))
    _, [two] = answered(look_at_two, body=golden("batch"))
    assert json.loads(one.content) == json.loads(golden("request_retrieve"))
    assert json.loads(two.content) == json.loads(golden("request_retrieve_batch"))
    assert one.url.path == two.url.path == "/luma/tasks"


def test_the_token_is_never_shown():
    client = LumaClient("https://api.example/", "secret", client=new_client())
    assert repr(client) == str(client) == "<LumaClient https://api.example>"
    error = failure(submit, 401, b'{"error": {"code": "invalid_token", "message": "secret is not known"}}')
    assert "secret" not in f"{error} {error!r} {error.message}"


def test_the_pool_ignores_the_environment_and_redirects(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    client = new_client()
    assert not client.trust_env and not client.follow_redirects
    assert (client.timeout.connect, client.timeout.read) == (10, 30)


@pytest.mark.parametrize("call", [submit, look, look_at_two])
@pytest.mark.parametrize(
    ("status", "code", "sent"),
    [
        (400, "bad_request", Sent.REFUSED),
        (400, "invalid_request", Sent.REFUSED),
        (400, "no_token", Sent.REFUSED),
        (400, "token_mismatched", Sent.REFUSED),
        (400, "api_not_implemented", Sent.REFUSED),
        (400, "no_api", Sent.REFUSED),
        (404, "api_not_implemented", Sent.REFUSED),
        (404, "no_api", Sent.REFUSED),
        (401, "invalid_token", Sent.REFUSED),
        (401, "token_expired", Sent.REFUSED),
        (401, "no_token", Sent.REFUSED),
        (401, "token_mismatched", Sent.REFUSED),
        (401, "unauthorized", Sent.REFUSED),
        (402, "used_up", Sent.REFUSED),
        (402, "insufficient_balance", Sent.REFUSED),
        (403, "used_up", Sent.REFUSED),
        (403, "insufficient_balance", Sent.REFUSED),
        (403, "forbidden", Sent.REFUSED),
        (403, "content_moderation", Sent.REFUSED),
        (403, "disabled", Sent.REFUSED),
        (403, "not_applied", Sent.REFUSED),
        (413, "request_too_large", Sent.REFUSED),
        (413, "content_too_large", Sent.REFUSED),
        (429, "too_many_requests", Sent.REFUSED),
        (429, "rate_limited", Sent.REFUSED),
        (429, "busy", Sent.REFUSED),
        (500, "api_error", Sent.MAYBE),
        (500, "upstream_error", Sent.MAYBE),
        (502, "api_error", Sent.MAYBE),
        (502, "upstream_error", Sent.MAYBE),
        (503, "api_error", Sent.MAYBE),
        (504, "timeout", Sent.MAYBE),
        (504, "upstream_timeout", Sent.MAYBE),
    ],
)
def test_every_error_of_the_contract(call, status, code, sent):
    body = golden(f"error_{status}_{code}")
    error = failure(call, status, body)
    assert (error.status, error.code, error.sent) == (status, code, sent)
    assert error.message == json.loads(body)["error"]["message"]
    assert (error.trace_id, error.retry_after) == (TRACE, None)


HTML = b"<html><body><h1>Gateway</h1></body></html>"


@pytest.mark.parametrize(
    ("status", "body", "code", "sent"),
    [
        (500, golden("error_500_bare_string"), "api_error", Sent.MAYBE),
        (500, HTML, "api_error", Sent.MAYBE),
        (502, HTML, "api_error", Sent.MAYBE),
        (503, HTML, "api_error", Sent.MAYBE),
        (504, HTML, "api_error", Sent.MAYBE),
        (504, b'{"error": "too slow"}', "timeout", Sent.MAYBE),
        (500, golden("error_403_forbidden"), "forbidden", Sent.MAYBE),
        (200, golden("error_403_forbidden"), "forbidden", Sent.MAYBE),
        (202, b"", "unreadable", Sent.MAYBE),
        (204, b"", "unreadable", Sent.MAYBE),
        (200, b'{"success": false, "error": "busy"}', "busy", Sent.MAYBE),
        (200, b'{"state": "failed"}', "unreadable", Sent.MAYBE),
        (500, b'{"error": {"code": "used_up"}}', "used_up", Sent.MAYBE),
        (400, b'{"error": {"code": "api_error"}}', "api_error", Sent.MAYBE),
        (400, b'{"error": "prompt is required"}', "bad_request", Sent.REFUSED),
        (403, b'{"error": "used_up"}', "used_up", Sent.REFUSED),
        (400, b'{"error": {"code": "new_word"}}', "new_word", Sent.REFUSED),
        (402, b'{"error": {"message": "pay"}}', "used_up", Sent.REFUSED),
        (400, b'{"error": {"code": "USED_UP"}}', "used_up", Sent.REFUSED),
        (400, b"", "bad_request", Sent.REFUSED),
        (400, HTML, "http_400", Sent.REFUSED),
        (401, b'{"message": "Unauthorized"}', "unauthorized", Sent.REFUSED),
        (401, b'{"error": {"code": "key_revoked"}}', "key_revoked", Sent.REFUSED),
        (401, HTML, "http_401", Sent.REFUSED),
        (403, b'{"error": {"code": "new_word"}}', "new_word", Sent.REFUSED),
        (403, b'{"error": "not for you"}', "unexplained", Sent.REFUSED),
        (403, b'{"message": "not for you", "code": 7}', "unexplained", Sent.REFUSED),
        (403, b'{"message": "no", "code": "forbidden"}', "forbidden", Sent.REFUSED),
        (403, b"", "unexplained", Sent.REFUSED),
        (404, b'{"detail": "Not Found"}', "not_found", Sent.REFUSED),
        (404, golden("error_404_task_not_found"), "task_not_found", Sent.REFUSED),
        (405, b'{"detail": "Method Not Allowed"}', "http_405", Sent.REFUSED),
        (413, b"", "request_too_large", Sent.REFUSED),
        (413, HTML, "http_413", Sent.REFUSED),
        (422, b'{"detail": [{"loc": ["prompt"]}]}', "bad_request", Sent.REFUSED),
        (403, HTML, "http_403", Sent.REFUSED),
        (404, HTML, "http_404", Sent.REFUSED),
        (408, HTML, "http_408", Sent.MAYBE),
        (409, b'{"error": {"code": "conflict"}}', "conflict", Sent.MAYBE),
        (409, golden("error_403_used_up"), "used_up", Sent.MAYBE),
        (499, b"", "http_499", Sent.MAYBE),
        (429, HTML, "too_many_requests", Sent.REFUSED),
        (300, b"", "redirected", Sent.MAYBE),
        (308, golden("error_403_used_up"), "redirected", Sent.REFUSED),
        (301, b"", "redirected", Sent.REFUSED),
        (307, b"", "redirected", Sent.REFUSED),
        (302, b"", "redirected", Sent.MAYBE),
        (303, b"", "redirected", Sent.MAYBE),
        (200, HTML, "unreadable", Sent.MAYBE),
        (200, b"", "unreadable", Sent.MAYBE),
        (200, b"{}", "unreadable", Sent.MAYBE),
        (200, b"[]", "unreadable", Sent.MAYBE),
        (200, b'{"task_id": null}', "unreadable", Sent.MAYBE),
        (200, b"[" * 100_000, "unreadable", Sent.MAYBE),
        (200, b'{"task_id": "a"' + b" " * (9 * 1024 * 1024) + b"}", "unreadable", Sent.MAYBE),
    ],
)
def test_other_answers_to_a_paid_request(status, body, code, sent):
    error = failure(submit, status, body, headers={"location": "https://elsewhere.example/"})
    assert (error.status, error.code, error.sent) == (status, code, sent)


def test_an_error_that_names_a_task_keeps_its_id():
    for status, body in [
        (500, {"error": {"code": "api_error", "message": "oh"}, "task_id": TASK}),
        (504, {"error": {"code": "timeout", "task_id": TASK}}),
        (502, {"error": "late", "data": {"task_id": TASK}}),
    ]:
        assert failure(submit, status, json.dumps(body).encode()).task_id == TASK
    assert failure(submit, 500, b'{"error": {"code": "api_error"}, "id": "no-task"}').task_id == ""


def test_a_task_id_one_level_down_is_found():
    assert answered(submit, body=json.dumps({"success": True, "data": {"task_id": TASK}}).encode())[0].task_id == TASK


def test_an_answer_that_cannot_be_unpacked_is_unreadable():
    error = failure(submit, 200, b"this is not gzip", headers={"content-encoding": "gzip"})
    assert (error.code, error.sent) == ("unreadable", Sent.MAYBE)


@pytest.mark.parametrize(
    ("raised", "code", "sent"),
    [
        (httpx.ConnectError("refused"), "not_sent", Sent.NEVER),
        (httpx.ConnectTimeout("slow"), "not_sent", Sent.NEVER),
        (httpx.PoolTimeout("full"), "not_sent", Sent.NEVER),
        (httpx.UnsupportedProtocol("gopher"), "not_sent", Sent.NEVER),
        (httpx.ReadTimeout("slow"), "no_answer", Sent.MAYBE),
        (httpx.WriteTimeout("slow"), "no_answer", Sent.MAYBE),
        (httpx.ReadError("cut"), "no_answer", Sent.MAYBE),
        (httpx.WriteError("cut"), "no_answer", Sent.MAYBE),
        (httpx.CloseError("cut"), "no_answer", Sent.MAYBE),
        (httpx.RemoteProtocolError("cut"), "no_answer", Sent.MAYBE),
        (httpx.LocalProtocolError("odd"), "no_answer", Sent.MAYBE),
        (OSError("odd"), "no_answer", Sent.MAYBE),
        (TimeoutError("late"), "no_answer", Sent.MAYBE),
    ],
)
def test_a_broken_connection_has_its_outcome(raised, code, sent):
    error = failure(submit, body=raised)
    assert (error.code, error.sent, error.status, error.trace_id) == (code, sent, None, "")


@pytest.mark.parametrize(
    "base_url",
    ["", "gopher://h", "https://[::1", "https://127.0.0.1:99999", "http://[::1]:0", "no address", "//h"],
)
def test_an_invalid_base_url_is_reported_to_admins_and_nothing_is_sent(base_url):
    async def run():
        async with new_client() as client:
            await LumaClient(base_url, "secret", client=client).submit(Request(prompt=PROMPT))

    with pytest.raises(ProviderError) as caught:
        asyncio.run(run())
    assert (caught.value.code, caught.value.sent) == ("not_sent", Sent.NEVER)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nx: y", "schlüssel"])
def test_an_invalid_token_is_reported_to_admins_and_nothing_is_sent(token):
    error = failure(submit, token=token)
    assert (error.code, error.sent) == ("not_sent", Sent.NEVER)


def test_a_refused_connection_counts_as_never_sent():
    async def run():
        async with new_client() as client:
            await LumaClient("http://127.0.0.1:1", "secret", client=client).submit(Request(prompt=PROMPT))

    with pytest.raises(ProviderError) as caught:
        asyncio.run(run())
    assert caught.value.sent is Sent.NEVER


def test_a_connection_closed_after_reading_leaves_the_outcome_unknown():
    async def hang_up(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def run():
        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, new_client() as client:
            await LumaClient(f"http://127.0.0.1:{port}", "secret", client=client).submit(Request(prompt=PROMPT))

    with pytest.raises(ProviderError) as caught:
        asyncio.run(run())
    assert (caught.value.code, caught.value.sent) == ("no_answer", Sent.MAYBE)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), ("1.5", 1.5), ("999999999", 86_400), ("", None), ("-3", None), ("soon", None)],
)
def test_retry_after_in_seconds(header, seconds):
    error = failure(submit, 429, golden("error_429_too_many_requests"), headers={"retry-after": header})
    assert error.retry_after == seconds


@pytest.mark.parametrize(("offset", "low", "high"), [(60, 50, 61), (-60, 0, 0), (10**8, 86_400, 86_400)])
def test_retry_after_as_a_date(offset, low, high):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=offset), usegmt=True)
    error = failure(submit, 429, b"", headers={"retry-after": date})
    assert low <= error.retry_after <= high


@pytest.mark.parametrize("header", ["Mon, 99 Foo 2020", "Wed, 21 Oct 99999 07:28:00 GMT", "nan", "٣"])
def test_an_invalid_retry_after_is_none(header):
    assert failure(submit, 429, b"", headers={"retry-after": header.encode()}).retry_after is None

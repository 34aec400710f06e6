import asyncio
import json
import math
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videos.provider import (
    ASPECT_RATIOS,
    ID_LENGTH,
    URL_LENGTH,
    LumaClient,
    ProviderError,
    Request,
    Result,
    Sent,
    Status,
    new_client,
    read_callback,
)

from ..support.hypothesis_profiles import example_count
from ..support.provider_urls import CALLBACK, END, START

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


# Requests


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


# Results


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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("callback_completed", WHOLE),
        (
            "callback_wide_floats",
            replace(WHOLE, video_width=1552, video_height=656, thumbnail_width=1552, thumbnail_height=656),
        ),
        (
            "callback_minimal",
            replace(WHOLE, thumbnail_url="", thumbnail_width=None, thumbnail_height=None, state="", success=None),
        ),
        ("callback_failed", FAILED),
        # A bare string is transient: the task may still bring a video.
        ("callback_failed_bare_string", replace(FAILED, status=Status.RUNNING, error_code="")),
        ("callback_pending", Result(TASK, state="pending", success=True)),
        ("callback_processing", Result(TASK, state="processing")),
        ("callback_state_failed", Result(TASK, Status.FAILED, state="failed")),
    ],
)
def test_a_callback_is_read(name, expected):
    assert read_callback(golden(name)) == expected


def test_the_synchronous_answer_is_read():
    result, [sent] = answered(
        lambda client: client.submit(Request(prompt=PROMPT), read_timeout=330),
        body=golden("answer_completed"),
    )
    assert result == WHOLE
    assert sent.extensions["timeout"] == {"connect": 10, "read": 330, "write": 30, "pool": 30}


def test_a_refusal_inside_a_200_is_a_failed_result():
    result, _ = answered(submit, body=golden("callback_failed"))
    assert result == FAILED


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, Status.RUNNING),
        ({"success": True}, Status.RUNNING),
        ({"success": False}, Status.RUNNING),
        ({"state": "completed"}, Status.RUNNING),
        ({"state": "completed", "video_url": ""}, Status.RUNNING),
        ({"state": "completed", "video_url": "javascript:alert(1)"}, Status.RUNNING),
        ({"state": 7, "video_url": None}, Status.RUNNING),
        ({"success": True, "error": {}}, Status.RUNNING),
        ({"video_url": LINK}, Status.COMPLETED),
        ({"video_url": LINK, "state": "processing"}, Status.COMPLETED),
        ({"video_url": LINK, "success": False}, Status.COMPLETED),
        ({"video_url": LINK, "success": False, "error": {"code": "x"}}, Status.COMPLETED),
        ({"video_url": LINK, "state": "failed"}, Status.COMPLETED),
        ({"state": " FAILED "}, Status.FAILED),
        ({"state": "processing", "status": "Rejected"}, Status.FAILED),
        ({"state": None, "status": "error"}, Status.FAILED),
        ({"status": "running"}, Status.RUNNING),
        ({"success": False, "error": "temporary"}, Status.RUNNING),
        ({"success": False, "error": "api_error"}, Status.RUNNING),
        ({"success": False, "error": "temporary", "finished_at": 1.5}, Status.FAILED),
        ({"success": False, "error": "temporary", "state": "canceled"}, Status.FAILED),
        ({"success": False, "error": {"a": 1}}, Status.FAILED),
        ({"success": False, "error": {}}, Status.RUNNING),
        ({"error": {"code": "used_up"}}, Status.FAILED),
        ({"error": "temporary"}, Status.RUNNING),
        ({"error": ["no"]}, Status.RUNNING),
    ],
)
def test_final_states_are_recognised(fields, status):
    assert read_callback(json.dumps({"task_id": TASK, **fields}).encode()).status is status


@pytest.mark.parametrize("field", ["state", "status"])
@pytest.mark.parametrize("word", ["failed", "failure", "error", "cancelled", "canceled", "rejected"])
def test_a_final_state_ends_a_task_wherever_it_stands(word, field):
    for said in (word, word.upper(), f" {word.title()} "):
        assert read_callback(json.dumps({"task_id": TASK, field: said}).encode()).status is Status.FAILED
        for task in ({"response": {field: said}}, {field: said}, {field: said, "response": None}):
            result, _ = answered(look, body=json.dumps({"id": TASK, **task}).encode())
            assert result.status is Status.FAILED, task


def test_a_callback_with_the_whole_task_is_read_as_one():
    result = read_callback(golden("task_completed"))
    assert (result.task_id, result.status, result.video_url) == (TASK, Status.COMPLETED, LINK)


@pytest.mark.parametrize(
    ("size", "read"),
    [
        (1360, 1360),
        (1360.0, 1360),
        (751.6, 752),
        (0, None),
        (0.2, None),
        (-1, None),
        ("1360", None),
        (True, None),
        (None, None),
        ([], None),
        (10**6, None),
        (10**300, None),
    ],
)
def test_sizes(size, read):
    result = read_callback(json.dumps({"video_width": size}).encode())
    assert result.video_width == read
    assert not isinstance(result.video_width, float)


def test_an_invalid_size_does_not_invalidate_a_paid_answer():
    body = b'{"task_id": "a", "video_width": NaN, "video_height": 1e999, "thumbnail_width": %s}' % (b"9" * 5000)
    result, _ = answered(submit, body=body)
    assert result == Result("a")


def test_texts_are_sanitised_before_they_are_stored():
    body = json.dumps(
        {
            "task_id": " a\0b ",
            "prompt": "x" * 20_000,
            "state": "\ud800 done ",
            "error": {"code": "c" * 200, "message": "m" * 9_000},
            "thumbnail_url": "https://h/" + "a" * URL_LENGTH,
            "video_id": "i" * (ID_LENGTH + 1),
            "trace_id": 12,
        }
    ).encode()
    result, _ = answered(submit, body=body)
    assert (result.task_id, len(result.prompt), result.state) == ("ab", 10_000, "done")
    assert (len(result.error_code), len(result.error_message)) == (100, 2_000)
    assert (result.thumbnail_url, result.video_id, result.trace_id) == ("", "", "12")


@pytest.mark.parametrize(
    "link", ["ftp://h/a", "//h/a", "https://", "https:///a", "https://[::1", "https://h:99999/", "data:,x", 7]
)
def test_only_web_links_are_links(link):
    assert read_callback(json.dumps({"video_url": link}).encode()).video_url == ""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"<html>", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b'{"a": NaN}', "number"),
        (b'{"a": [-Infinity]}', "number"),
        (b'{"a": 1e999}', "number"),
        (b'{"a": -1e999}', "number"),
        (b'{"a": %s}' % (b"9" * 10_000), "number"),
        (b'{"a": {"b": "\\u0000"}}', "not text"),
        (b'{"a\\u0000": 1}', "not text"),
        (b'{"a": ["\\ud800"]}', "not text"),
        (b'{"a": ' * 65 + b"1" + b"}" * 65, "too deeply"),
        (b"[" * 30_000, "too deeply"),
        (b'{"a":' * 10_000, "too deeply"),
    ],
)
def test_an_unreadable_callback_raises_a_value_error(body, message):
    with pytest.raises(ValueError, match=message):
        read_callback(body)


def test_brackets_inside_strings_do_not_count_as_depth():
    assert read_callback(json.dumps({"prompt": '["' * 500, "state": "{\\" * 9}).encode()).prompt == '["' * 500


@pytest.mark.parametrize("body", [b'"' + b'\\"' * 32_000, b'"' * 65_000, b'{"' * 32_000, b"\\" * 65_000])
def test_parsing_a_callback_takes_linear_time(body):
    begin = time.perf_counter()
    with pytest.raises(ValueError):
        read_callback(body)
    assert time.perf_counter() - begin < 0.5


# Tasks


def test_one_task_is_read():
    assert answered(look, body=golden("task_completed"))[0] == replace(WHOLE, trace_id=TRACE)
    assert answered(look, body=golden("task_failed"))[0] == FAILED


@pytest.mark.parametrize("name", ["task_running", "task_running_empty_response"])
def test_a_running_task_is_read(name):
    result, _ = answered(lambda client: client.task(VIDEO), body=golden(name))
    assert result == Result(VIDEO, trace_id=TRACE)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, golden("task_absent")),
        (200, b""),
        (200, b"null"),
        (404, b""),
        (404, b"{}"),
        (404, b'{"error": {"code": "not_found", "message": "no such task"}}'),
        (404, golden("error_404_task_not_found")),
    ],
)
def test_an_unknown_task_is_none(status, body):
    assert answered(look, status, body)[0] is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<html>nginx</html>", "http_404"),
        (golden("error_404_no_api"), "no_api"),
        (golden("error_404_api_not_implemented"), "api_not_implemented"),
        (b'{"detail": "Not Found"}', "not_found"),
        (b'{"error": {"code": "route_gone", "message": "moved"}}', "route_gone"),
    ],
)
def test_a_404_of_the_endpoint_says_nothing_about_a_task(body, code):
    error = failure(look, 404, body)
    assert error.code == code


def test_a_batch_is_read_and_absent_tasks_are_absent():
    found, _ = answered(lambda client: client.tasks([TASK, VIDEO, "gone"]), body=golden("batch"))
    assert found == {TASK: replace(WHOLE, trace_id=TRACE), VIDEO: Result(VIDEO, trace_id=TRACE)}
    assert answered(look_at_two, body=golden("batch_empty"))[0] == {}
    assert answered(look_at_two, body=b'{"count": 0}')[0] == {}


def test_a_task_that_was_not_requested_is_ignored():
    assert answered(lambda client: client.tasks(["other"]), body=golden("batch"))[0] == {}
    assert failure(lambda client: client.task("other"), body=golden("task_completed")).code == "unreadable"


def batches(answer):
    """Look up 50 tasks at a provider that answers each batch with `answer(ids)`: status and body."""
    ids = [f"task-{number}" for number in range(50)]
    calls = []

    def wire(request):
        calls.append(json.loads(request.content)["ids"])
        status, body = answer(calls[-1])
        return httpx.Response(status, content=body)

    async def run():
        async with new_client(httpx.MockTransport(wire)) as client:
            return await LumaClient("https://api.example", "secret", client=client).tasks(ids)

    return run, calls


def as_items(ids):
    return 200, json.dumps({"items": [{"id": task_id, "response": {}} for task_id in ids]}).encode()


@pytest.mark.parametrize(
    "bad",
    [(200, b"{" * 5_000), (200, b"<html>"), (400, b'{"error": {"code": "bad_request"}}'), (413, b""), (422, b"{}")],
)
def test_one_unreadable_task_does_not_hide_the_others_of_its_batch(bad):
    run, calls = batches(lambda ids: bad if "task-30" in ids else as_items(ids))
    found = asyncio.run(run())
    assert found.keys() == {f"task-{number}" for number in range(50)} - {"task-30"}
    assert len(calls) < 15


def test_an_unreadable_task_among_unknown_ones_is_no_failure():
    run, _ = batches(lambda ids: (200, b"<html>") if "task-30" in ids else (200, b'{"items": [], "count": 0}'))
    assert asyncio.run(run()) == {}


@pytest.mark.parametrize(
    ("status", "body", "calls_at_most"), [(502, b"<html>", 1), (401, b"", 1), (429, b"", 1), (200, b"<html>", 7)]
)
def test_a_failing_batch_is_not_repeated_for_each_task(status, body, calls_at_most):
    run, calls = batches(lambda ids: (status, body))
    with pytest.raises(ProviderError):
        asyncio.run(run())
    assert len(calls) <= calls_at_most


@pytest.mark.parametrize("item", [None, 7, "x", [], {}, {"id": None}, {"id": {"a": 1}}, {"id": "other"}])
def test_an_unexpected_item_is_skipped(item):
    body = json.dumps({"items": [item, {"task_id": TASK, "response": {"video_url": LINK}}]}).encode()
    assert answered(look_at_two, body=body)[0].keys() == {TASK}


def test_no_ids_send_nothing_and_too_many_raise_an_error():
    assert answered(lambda client: client.tasks([])) == ({}, [])
    with pytest.raises(ValueError, match="50"):
        answered(lambda client: client.tasks(str(n) for n in range(51)))
    assert answered(lambda client: client.tasks(str(n) for n in range(50)), body=b'{"items": []}')[0] == {}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"finished_at": 1.5}, Status.RUNNING),
        ({"finished_at": 1.5, "response": {}}, Status.RUNNING),
        ({"finished_at": 1.5, "response": "text"}, Status.RUNNING),
        ({"finished_at": 1.5, "response": {"success": False}}, Status.FAILED),
        ({"response": {"success": False}}, Status.RUNNING),
        ({"response": {"video_url": LINK}}, Status.COMPLETED),
        ({"response": {"error": "no"}}, Status.RUNNING),
        ({"response": {"success": False, "error": "temporary"}}, Status.RUNNING),
        ({"finished_at": 1.5, "response": {"success": False, "error": "temporary"}}, Status.FAILED),
        ({"finished_at": 1.5, "response": {"error": "broke"}}, Status.FAILED),
        ({"response": {"success": False, "error": "temporary", "state": "failure"}}, Status.FAILED),
        ({"response": {"task_id": TASK, "state": "processing"}}, Status.RUNNING),
        ({"response": {"success": False, "error": {"code": "task_failed"}}}, Status.FAILED),
        ({"success": False, "error": {"code": "task_failed"}, "response": None}, Status.FAILED),
        ({"finished_at": None, "response": None, "request": {"start_image_url": START}}, Status.RUNNING),
        ({"video_url": LINK}, Status.COMPLETED),
        ({"video_url": LINK, "response": {"success": False, "error": {"code": "x"}}}, Status.COMPLETED),
    ],
)
def test_the_fields_of_a_task_are_read(fields, status):
    result, _ = answered(look, body=json.dumps({"id": TASK, **fields}).encode())
    assert (result.task_id, result.status) == (TASK, status)


@pytest.mark.parametrize("call", [look, look_at_two])
def test_an_error_inside_a_200_lookup_is_an_error(call):
    assert failure(call, 200, golden("error_401_invalid_token")).code == "invalid_token"
    assert failure(call, 200, b'{"surprise": 1}').code == "unreadable"


# Failures


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


# Anything at all

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
ODD_RESULT = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        (
            "id",
            "success",
            "task_id",
            "video_url",
            "video_width",
            "state",
            "error",
            "response",
            "items",
            "prompt",
        ),
        ANY_JSON,
    ),
)


@settings(max_examples=example_count(150), deadline=None)
@given(status=st.integers(200, 599), document=ANY_JSON | ODD_RESULT)
def test_no_answer_raises_an_unexpected_error(status, document):
    body = json.dumps(document).encode()
    for call in (submit, look, look_at_two):
        try:
            outcome, _ = answered(call, status, body)
        except ProviderError as error:
            assert error.code and error.sent in Sent
        else:
            assert outcome is None or isinstance(outcome, Result | dict)


@settings(max_examples=example_count(200), deadline=None)
@given(body=st.binary(max_size=200) | (ANY_JSON | ODD_RESULT).map(lambda document: json.dumps(document).encode()))
def test_no_callback_raises_anything_but_a_value_error(body):
    try:
        result = read_callback(body)
    except ValueError:
        return
    assert (result.status is Status.COMPLETED) <= bool(result.video_url)
    for value in (result.task_id, result.video_url, result.prompt, result.state, result.error_message):
        assert "\0" not in value and value.encode() is not None
    assert result.video_width is None or (type(result.video_width) is int and math.isfinite(result.video_width))


# Examples

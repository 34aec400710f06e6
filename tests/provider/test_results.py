"""Results as callbacks and answers bring them: final states, sizes, texts, broken bodies."""

import json
import math
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videos.provider import ID_LENGTH, URL_LENGTH, ProviderError, Request, Result, Sent, Status, read_callback

from ..support.hypothesis_profiles import example_count
from ..support.provider_answers import FAILED, LINK, PROMPT, TASK, WHOLE, answered, golden, look, look_at_two, submit


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

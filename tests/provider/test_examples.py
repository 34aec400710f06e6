"""Code examples of a request, as the code panel shows them."""

import ast
import json
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videos.provider import Request, examples

from ..support.hypothesis_profiles import example_count
from ..support.provider_urls import CALLBACK, START

NASTY = [
    "plain",
    'it\'s "quoted" `here` $HOME $(id) !! \\ \\n',
    "two\nlines\r\nand\ttabs",
    "emoji 😀 👩‍🚀 кириллица ελληνικά \u2028\u2029\x85\x7f",
    "</script><!-- {{ 7 }} ${x} -->",
    "'",
    "\\",
    "\x01\x1b[31m",
]


def each_example(prompt):
    request = Request(prompt=prompt, callback_url=CALLBACK, start_image_url=START)
    return request, examples(request)


def python_values(code):
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(code).body
        if isinstance(node, ast.Assign) and not isinstance(node.value, ast.Call)
    }


def javascript_payload(code):
    text = code.removeprefix("const payload = ")
    return json.JSONDecoder().raw_decode(text)[0]


@given(prompt=st.text())
@settings(max_examples=example_count(100), deadline=None)
def test_examples_carry_any_prompt(prompt):
    request, written = each_example(prompt)
    payload = replace(request, callback_url="").payload()
    assert python_values(written["python"])["payload"] == payload
    assert javascript_payload(written["javascript"]) == payload


@pytest.mark.parametrize("prompt", NASTY)
def test_the_curl_example_is_quoted_correctly_for_a_shell(prompt):
    request, written = each_example(prompt)
    script = "curl() { printf '%s\\0' \"$@\"; }\n" + written["curl"]
    # A real shell, with a function in place of curl: the quoting is what is tested.
    told = subprocess.run(["sh"], input=script.encode(), capture_output=True, check=True, timeout=20).stdout
    words = told.decode().split("\0")
    assert words[:3] == ["-X", "POST", "https://api.acedata.cloud/luma/videos"]
    assert "authorization: Bearer YOUR_API_TOKEN" in words
    assert json.loads(words[words.index("-d") + 1]) == replace(request, callback_url="").payload()


@pytest.mark.parametrize("prompt", NASTY)
def test_the_examples_are_code_for_the_public_address_without_secrets(prompt):
    _, written = each_example(prompt)
    assert list(written) == ["curl", "python", "javascript"]
    for text in written.values():
        assert "https://api.acedata.cloud/luma/videos" in text
        assert "Bearer YOUR_API_TOKEN" in text
        assert CALLBACK not in text and "callback_url" not in text
        text.encode()
    compile(written["python"], "example", "exec")
    assert python_values(written["python"])["url"] == "https://api.acedata.cloud/luma/videos"


def test_an_asynchronous_example_says_so():
    written = examples(Request(prompt="x", asynchronous=True))
    assert javascript_payload(written["javascript"])["async"] is True
    assert python_values(written["python"])["payload"]["async"] is True

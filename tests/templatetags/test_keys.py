"""Names of keys by the reader's device."""

import pytest
from django.template import engines

TEMPLATE = '{% load keys %}{% key "Ctrl" %} {% key "Alt" %} {% key "Enter" %} {% key "Del" %} {% key "X" %}'
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4"
IPAD = (
    "Mozilla/5.0 (iPad; CPU OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148"
)
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
APPLE_NAMES, OTHER_NAMES = "⌘ ⌥ ↩ ⌦ X", "Ctrl Alt Enter Del X"


@pytest.mark.parametrize(
    ("headers", "names"),
    [
        ({"user-agent": MAC}, APPLE_NAMES),
        ({"user-agent": IPAD}, APPLE_NAMES),
        ({"user-agent": WINDOWS}, OTHER_NAMES),
        ({"user-agent": WINDOWS, "sec-ch-ua-platform": '"macOS"'}, APPLE_NAMES),
        ({"user-agent": MAC, "sec-ch-ua-platform": '"Linux"'}, OTHER_NAMES),
        ({}, OTHER_NAMES),
    ],
)
def test_keys_have_the_names_on_the_reader_s_keyboard(rf, headers, names):
    request = rf.get("/", headers=headers)
    assert engines["django"].from_string(TEMPLATE).render({"request": request}, request) == names

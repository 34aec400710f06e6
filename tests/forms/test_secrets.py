"""What an admin may paste as an API token or a provider's address, and what is said about the rest."""

import pytest
from django.forms import ValidationError

from videos.forms.secrets import clean_base_url, clean_token

TOKEN = "eyJhbGciOi-7Q4f_.abc+/=="

CLEANED = [
    TOKEN,
    f"  {TOKEN} \r\n",
    f'"{TOKEN}"',
    f"“{TOKEN}”",
    f"`{TOKEN}`",
    f"Bearer {TOKEN}",
    f"bearer: {TOKEN}",
    f"BEARER   {TOKEN}",
    f"Bearer Bearer {TOKEN}",
    f"authorization: Bearer {TOKEN}",
    f"Authorization:{TOKEN}",
    f"Authorization=Bearer {TOKEN};",
    f'-H "authorization: Bearer {TOKEN}"',
    f"{{'authorization': 'Bearer {TOKEN}'}}",
    f'{{"Authorization": "{TOKEN}"}}',
    f"curl -X POST 'https://api.acedata.cloud/luma/videos' -H 'authorization: Bearer {TOKEN}' -d '{{}}'",
    f"LUMAWEB_LUMA_TOKEN={TOKEN}",
    f'export ACEDATACLOUD_API_TOKEN="{TOKEN}"',
    f"{TOKEN[:8]}\n   {TOKEN[8:]}",
    f"\ufeff{TOKEN[:5]}\u200b{TOKEN[5:]}\u00a0",
]


@pytest.mark.parametrize("pasted", CLEANED)
def test_what_was_copied_with_a_token_is_removed(pasted):
    assert clean_token(pasted) == TOKEN


@pytest.mark.parametrize(("token"), ["sandbox", "sandbox-used-up", "bearer-of-good-news-7"])
def test_a_token_without_anything_around_it_stays(token):
    assert clean_token(token) == token


NAMED = [
    ("", "Enter the token."),
    (" \n ", "Enter the token."),
    ("Bearer", "no token in it"),
    ('authorization: ""', "no token in it"),
    ("two words", "has a space"),
    ("Bearer two words", "has a space"),
    ("schlüssel-1234", "latin small letter u with diaeresis"),
    ("tоken-with-a-cyrillic-o", "cyrillic small letter o"),
    ("abc\x07def", "an invisible character"),
    ("••••••••7Q4f", "masked"),
    ("sk-****7Q4f", "masked"),
    ("eyJhb...7Q4f", "masked"),
    ("{token}", "an example"),
    ("YOUR_API_TOKEN", "an example"),
    ("https://platform.acedata.cloud/console", "a link"),
    ("platform-1234567890", "a platform token"),
    ("a" * 1001, "longer than 1,000"),
]


@pytest.mark.parametrize(("pasted", "words"), NAMED)
def test_what_cannot_be_a_token_is_named(pasted, words):
    with pytest.raises(ValidationError, match=words) as error:
        clean_token(pasted)
    if len(pasted) > 12:
        assert pasted.strip() not in str(error.value)


ADDRESSES = {
    "https://api.acedata.cloud": "https://api.acedata.cloud",
    " https://API.AceData.Cloud/ ": "https://api.acedata.cloud",
    "api.acedata.cloud": "https://api.acedata.cloud",
    "https://api.acedata.cloud:443": "https://api.acedata.cloud",
    "https://api.acedata.cloud/luma/videos": "https://api.acedata.cloud",
    "https://api.acedata.cloud/luma/": "https://api.acedata.cloud",
    "https://gateway.example.com/ace/luma/tasks": "https://gateway.example.com/ace",
    "http://127.0.0.1:8802/": "http://127.0.0.1:8802",
    "http://[::1]:8802": "http://[::1]:8802",
    "http://provider:8801": "http://provider:8801",
    "http://192.168.1.4": "http://192.168.1.4",
}


@pytest.mark.parametrize("typed", ADDRESSES)
def test_a_provider_s_address_gets_one_form(typed):
    assert clean_base_url(typed) == ADDRESSES[typed]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("http://api.acedata.cloud", "Use https://"),
        ("ftp://api.acedata.cloud", "Enter the address"),
        ("https://me@api.acedata.cloud", "Enter the address"),
        ("https://api.acedata.cloud/?key=1", "has a query"),
        ("https://", "Enter the address"),
        ("two words", "Enter the address"),
        ("https://api.acedata.cloud:99999", "Enter the address"),
    ],
)
def test_what_is_no_provider_s_address_is_named(typed, words):
    with pytest.raises(ValidationError, match=words):
        clean_base_url(typed)

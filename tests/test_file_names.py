"""File names of downloads: every script, and no name that a system refuses."""

import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videos.file_names import MAX_BYTES, attachment, file_name

WORDS = {
    "A fox, at dawn": "a-fox-at-dawn",
    "It's Mika’s café — déjà vu!": "its-mikas-café-déjà-vu",
    "Straße nach Zürich": "straße-nach-zürich",
    "北京的秋天，落叶": "北京的秋天-落叶",
    "東京タワー 夜": "東京タワー-夜",
    "서울의 밤": "서울의-밤",
    "ثعلب في الثلج": "ثعلب-في-الثلج",
    "לִשְׁמֹר שועל": "לִשְׁמֹר-שועל",
    "हिन्दी में लोमड़ी": unicodedata.normalize("NFC", "हिन्दी-में-लोमड़ी"),
    "สุนัขจิ้งจอก": "สุนัขจิ้งจอก",
    "می‌خواهم": "می\u200cخواهم",
    "Лиса на снегу": "лиса-на-снегу",
    "🦊 in snow 👩‍🚀": "🦊-in-snow-👩‍🚀",
    "e\u0301te\u0301": "été",
    "": "video",
    "?!…": "video",
    "\u200d\u202e\u2066": "video",
    "../../etc/passwd": "etc-passwd",
    "C:\\Windows\\file": "c-windows-file",
    'quotes " and < > | * ; %41': "quotes-and-41",
    "lines\nand\ttabs\0\x7f\x85": "lines-and-tabs",
    "right\u202eto\u2069left\ufeff": "right-to-left",
    "ends with dots. . .": "ends-with-dots",
    "half\ud800surrogate\udfff": "half-surrogate",
}


@pytest.mark.parametrize("text", WORDS)
def test_a_name_keeps_letters_of_every_script_and_nothing_that_is_unsafe(text):
    assert file_name(text, "-12ab.mp4") == f"{WORDS[text]}-12ab.mp4"


@pytest.mark.parametrize("device", ["CON", "prn", "aux", "NUL", "com1", "LPT9", "COM¹"])
def test_a_name_is_no_device_of_windows(device):
    assert file_name(device, ".mp4") == f"_{device.lower()}.mp4"
    assert file_name(f"{device} at dawn", ".mp4") == f"{device.lower()}-at-dawn.mp4"


@pytest.mark.parametrize("letter", ["a", "ж", "漢", "🦊", "हि", "👩‍🚀", "e\u0323\u0301"])
def test_a_long_name_is_cut_between_letters_and_measured_in_bytes(letter):
    name = file_name(letter * 400, "-12ab.mp4")
    assert MAX_BYTES - 30 < len(name.encode()) <= MAX_BYTES
    stem = name.removesuffix("-12ab.mp4")
    composed = unicodedata.normalize("NFC", letter)
    assert stem == composed * (len(stem) // len(composed))


def test_a_long_name_ends_with_a_whole_word():
    assert file_name("seventeen letters " * 20, ".mp4") == f"{'-'.join(['seventeen-letters'] * 6)}.mp4"


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_any_text_makes_a_safe_name_and_header(text):
    name = file_name(text, ".mp4")
    assert 0 < len(name.encode()) <= MAX_BYTES
    assert not set(name) & set('<>:"/\\|?*%;\r\n\t ')
    assert not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name)
    assert name == name.strip(" .-") and "\u202e" not in name
    header = attachment(name)
    assert header.isascii() and header.isprintable()
    if not name.isascii():
        assert unquote(header.partition("filename*=UTF-8''")[2]) == name


def test_the_header_has_a_name_for_old_clients_too():
    assert attachment("a-fox.mp4") == 'attachment; filename="a-fox.mp4"'
    assert attachment("zürich-12ab.mp4") == (
        "attachment; filename=\"zurich-12ab.mp4\"; filename*=UTF-8''z%C3%BCrich-12ab.mp4"
    )
    assert attachment("лиса-12ab.mp4").startswith('attachment; filename="12ab.mp4"; filename*=')
    assert attachment("лиса.mp4").startswith('attachment; filename="download.mp4"; filename*=')

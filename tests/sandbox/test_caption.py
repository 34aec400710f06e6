"""Text on the sandbox's videos."""

import numpy as np
import pytest
from PIL import Image

from videos.sandbox.scenery.caption import clean, draw_text, is_covered, split_runs

from .process import difference


@pytest.mark.parametrize(
    "text",
    [
        "Où ça, naïve façade?",
        "Łódź, żółć, Škoda, İstanbul",
        "Туман над лесом, їжак, ђак",
        "Θάλασσα και ουρανός",
    ],
)
def test_the_caption_font_has_latin_cyrillic_and_greek(text):
    assert split_runs(clean(text)) == [(clean(text), True)]


def test_only_characters_that_the_font_lacks_become_ornaments():
    assert [run for run, covered in split_runs("Kyoto 京都 at dawn") if not covered] == ["京都"]
    assert not any(is_covered(mark) for mark in "漢ع😀한")
    pictures = {}
    for text in ("京都", "東海", "京都 "):
        picture = Image.new("L", (90, 50))
        draw_text(picture, (5, 40), text, 36, 255)
        pictures[text] = np.asarray(picture)
    assert pictures["京都"].any() and difference(pictures["京都"], pictures["東海"]) > 1
    assert difference(pictures["京都"], pictures["京都 "]) == 0

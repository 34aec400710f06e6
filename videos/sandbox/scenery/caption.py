"""The words on a clip: the prompt as a small line, and the mark that says where it was made."""

import random
import unicodedata
from functools import lru_cache
from importlib.resources import files
from itertools import groupby

from PIL import Image, ImageDraw, ImageFilter, ImageFont

MARK = "sandbox"
FONTS = "font_source_sans_pro"  # a package with the font and its licence (SIL OFL 1.1): Latin, Greek, Cyrillic
NOT_A_CHARACTER = "\U0010ffff"


class Overlay:
    """Mark and caption for one size of picture, put on with a strength from 0 to 1."""

    def __init__(self, prompt: str, size: tuple[int, int]):
        width, height = size
        em = max(9, round(min(width, height) * 0.027))
        edge = round(em * 1.35)
        self.top = height - edge - round(em * 1.5)
        band = (width, height - self.top)
        self._layers = {"mark": Image.new("L", band), "words": Image.new("L", band)}
        self._kept: dict[tuple[str, int], tuple[Image.Image, Image.Image]] = {}
        mark_em = max(8, round(em * 0.82))
        mark_wide = text_width(MARK, mark_em)
        baseline = height - edge - self.top
        draw_text(self._layers["mark"], (width - edge - mark_wide, baseline), MARK, mark_em, 175)
        room = width - 3 * edge - mark_wide
        draw_text(self._layers["words"], (edge, baseline), shorten(prompt, em, room), em, 225)
        self._blur = em * 0.28

    def put(self, picture: Image.Image, strength: float = 1.0, *, words: bool = True) -> None:
        if strength <= 0:
            return
        for layer in ("mark", "words") if words else ("mark",):
            text, shade = self._faded(layer, round(strength * 16))
            picture.paste((0, 0, 0), (0, self.top), shade)
            picture.paste((255, 255, 255), (0, self.top), text)

    def _faded(self, layer: str, sixteenths: int) -> tuple[Image.Image, Image.Image]:
        """AnimatedLight and shadow of a layer; kept, since most frames of a clip want the same."""
        if (layer, sixteenths) not in self._kept:
            text = self._layers[layer].point(lambda light: light * sixteenths // 16)
            shade = text.filter(ImageFilter.GaussianBlur(self._blur)).point(lambda light: min(150, light))
            self._kept[layer, sixteenths] = text, shade
        return self._kept[layer, sixteenths]


@lru_cache(maxsize=32)
def font(em: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(files(FONTS) / "files" / "SourceSansPro-Regular.ttf"), em)


@lru_cache(maxsize=4096)
def is_covered(mark: str) -> bool:
    """Tell whether the font can draw a character, rather than the box it has for those it lacks."""
    if mark.isspace():
        return True
    face = font(40)
    return bytes(face.getmask(mark)) != bytes(face.getmask(NOT_A_CHARACTER))


def clean(text: str) -> str:
    """One line of composed characters, without controls, joiners or halves of surrogate pairs."""
    composed = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    kept = (
        mark if unicodedata.category(mark) not in ("Cc", "Cf", "Mn", "Me", "Co", "Cn") else " "[: mark.isspace()]
        for mark in composed
    )
    return " ".join("".join(kept).split())


def text_width(text: str, em: int) -> float:
    return sum(_run_width(run, covered, em) for run, covered in runs(text))


def runs(text: str) -> list[tuple[str, bool]]:
    """Split a text where the font begins or ceases to know its characters."""
    return [("".join(group), covered) for covered, group in groupby(text, is_covered)]


def shorten(text: str, em: int, room: float) -> str:
    """Clean a text and cut it, at a word where possible, to what fits into room pixels."""
    text = clean(text[:400])
    if text_width(text, em) <= room:
        return text
    while text and text_width(text + "…", em) > room:
        text = text[:-1]
    word = text.rpartition(" ")[0]
    return (word if len(word) > len(text) * 0.6 else text).rstrip(" ,.;:") + "…"


def draw_text(picture: Image.Image, at: tuple[float, float], text: str, em: int, light: int) -> None:
    """Write on an L image from a baseline; what the font lacks becomes a pattern of its own."""
    left, baseline = at
    pen = ImageDraw.Draw(picture)
    for run, covered in runs(text):
        if covered:
            pen.text((left, baseline), run, fill=light, font=font(em), anchor="ls")
        else:
            for number, mark in enumerate(run):
                _draw_pattern(picture, left + number * em, baseline, mark, em, light)
        left += _run_width(run, covered, em)


def _run_width(run: str, covered: bool, em: int) -> float:
    return font(em).getlength(run) if covered else len(run) * em


def _draw_pattern(picture: Image.Image, left: float, baseline: float, mark: str, em: int, light: int) -> None:
    """Draw a small ornament on a grid of three by three points, always the same for one character."""
    chance = random.Random(mark)
    fine = 8  # drawn larger and reduced: Pillow's lines have hard edges
    side = round(em * 0.86)
    tile = Image.new("L", (side * fine, side * fine))
    pen = ImageDraw.Draw(tile)
    step, thick = side * fine / 3.4, max(1, round(em * fine * 0.075))
    points = [(step * (0.7 + column), step * (0.7 + row)) for row in range(3) for column in range(3)]
    way = chance.sample(points, 4)
    pen.line(way, fill=light, width=thick, joint="curve")
    for x, y in (way[0], way[-1]):
        pen.ellipse((x - thick * 1.1, y - thick * 1.1, x + thick * 1.1, y + thick * 1.1), fill=light)
    x, y = chance.choice([point for point in points if point not in way])
    pen.arc(
        (x - step / 2, y - step / 2, x + step / 2, y + step / 2),
        chance.choice((0, 90, 180)),
        360,
        fill=light,
        width=thick,
    )
    tile = tile.resize((side, side), Image.Resampling.LANCZOS)
    picture.paste(light, (round(left + em * 0.07), round(baseline - side * 0.88)), tile)

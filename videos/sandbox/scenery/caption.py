"""The text on a video: its prompt in small type, and a mark that names the sandbox."""

import random
import unicodedata
from functools import lru_cache
from importlib.resources import files
from itertools import groupby

from PIL import Image, ImageDraw, ImageFilter, ImageFont

MARK = "sandbox"
FONT_PACKAGE = "font_source_sans_pro"  # with the font and its licence (SIL OFL 1.1): Latin, Greek, Cyrillic
NOT_A_CHARACTER = "\U0010ffff"
MAX_CHARACTERS = 400
DROPPED_CATEGORIES = ("Cc", "Cf", "Mn", "Me", "Co", "Cn")  # controls, joiners, loose marks, private, unassigned
SUPERSAMPLING = 8  # Pillow draws lines with hard edges


class Caption:
    """Prompt and mark for one size of picture, drawn with an opacity from 0 to 1."""

    def __init__(self, prompt: str, size: tuple[int, int]) -> None:
        width, height = size
        em = max(9, round(min(width, height) * 0.027))
        margin = round(em * 1.35)
        self._top = height - margin - round(em * 1.5)
        band = (width, height - self._top)
        mark, text = Image.new("L", band), Image.new("L", band)
        mark_em = max(8, round(em * 0.82))
        mark_width = text_width(MARK, mark_em)
        baseline = height - margin - self._top
        draw_text(mark, (width - margin - mark_width, baseline), MARK, mark_em, 175)
        draw_text(text, (margin, baseline), shorten(prompt, em, width - 3 * margin - mark_width), em, 225)
        self._layers = {"mark": mark, "text": text}
        self._blur = em * 0.28
        self._faded: dict[tuple[str, int], tuple[Image.Image, Image.Image]] = {}

    def draw(self, picture: Image.Image, opacity: float = 1.0, *, with_prompt: bool = True) -> None:
        """Draw on a picture, in place."""
        if opacity <= 0:
            return
        for layer in ("mark", "text") if with_prompt else ("mark",):
            light, shadow = self._fade(layer, round(opacity * 16))
            picture.paste((0, 0, 0), (0, self._top), shadow)
            picture.paste((255, 255, 255), (0, self._top), light)

    def _fade(self, layer: str, sixteenths: int) -> tuple[Image.Image, Image.Image]:
        """Return light and shadow of a layer; cached, since most frames of a video need the same."""
        if (layer, sixteenths) not in self._faded:
            light = self._layers[layer].point(lambda value: value * sixteenths // 16)
            shadow = light.filter(ImageFilter.GaussianBlur(self._blur)).point(lambda value: min(150, value))
            self._faded[layer, sixteenths] = light, shadow
        return self._faded[layer, sixteenths]


@lru_cache(maxsize=32)
def load_font(em: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(files(FONT_PACKAGE) / "files" / "SourceSansPro-Regular.ttf"), em)


@lru_cache(maxsize=4096)
def is_covered(character: str) -> bool:
    """Tell whether the font has a glyph for a character."""
    if character.isspace():
        return True
    font = load_font(40)
    return bytes(font.getmask(character)) != bytes(font.getmask(NOT_A_CHARACTER))


def clean(text: str) -> str:
    """Return one line of composed characters, without controls, joiners and lone surrogates."""
    composed = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    kept = (_clean_character(character) for character in composed)
    return " ".join("".join(kept).split())


def _clean_character(character: str) -> str:
    if unicodedata.category(character) not in DROPPED_CATEGORIES:
        return character
    return " " if character.isspace() else ""


def text_width(text: str, em: int) -> float:
    return sum(_run_width(run, covered, em) for run, covered in split_runs(text))


def split_runs(text: str) -> list[tuple[str, bool]]:
    """Split a text into runs that the font covers (True) or lacks (False)."""
    return [("".join(group), covered) for covered, group in groupby(text, is_covered)]


def shorten(text: str, em: int, max_width: float) -> str:
    """Clean a text and cut it, at a word if possible, to a width in pixels."""
    text = clean(text[:MAX_CHARACTERS])
    if text_width(text, em) <= max_width:
        return text
    while text and text_width(text + "…", em) > max_width:
        text = text[:-1]
    at_word = text.rpartition(" ")[0]
    return (at_word if len(at_word) > len(text) * 0.6 else text).rstrip(" ,.;:") + "…"


def draw_text(picture: Image.Image, start: tuple[float, float], text: str, em: int, light: int) -> None:
    """Write on an L image from the start of a baseline; characters that the font lacks become ornaments."""
    left, baseline = start
    draw = ImageDraw.Draw(picture)
    for run, covered in split_runs(text):
        if covered:
            draw.text((left, baseline), run, fill=light, font=load_font(em), anchor="ls")
        else:
            for number, character in enumerate(run):
                _draw_ornament(picture, left + number * em, baseline, character, em, light)
        left += _run_width(run, covered, em)


def _run_width(run: str, covered: bool, em: int) -> float:
    return load_font(em).getlength(run) if covered else len(run) * em


def _draw_ornament(picture: Image.Image, left: float, baseline: float, character: str, em: int, light: int) -> None:
    """Draw a small figure on a grid of three by three points, always the same for one character."""
    rng = random.Random(character)
    side = round(em * 0.86)
    tile = Image.new("L", (side * SUPERSAMPLING, side * SUPERSAMPLING))
    draw = ImageDraw.Draw(tile)
    step, thickness = side * SUPERSAMPLING / 3.4, max(1, round(em * SUPERSAMPLING * 0.075))
    points = [(step * (0.7 + column), step * (0.7 + row)) for row in range(3) for column in range(3)]
    path = rng.sample(points, 4)
    draw.line(path, fill=light, width=thickness, joint="curve")
    for x, y in (path[0], path[-1]):
        draw.ellipse((x - thickness * 1.1, y - thickness * 1.1, x + thickness * 1.1, y + thickness * 1.1), fill=light)
    x, y = rng.choice([point for point in points if point not in path])
    box = (x - step / 2, y - step / 2, x + step / 2, y + step / 2)
    draw.arc(box, rng.choice((0, 90, 180)), 360, fill=light, width=thickness)
    tile = tile.resize((side, side), Image.Resampling.LANCZOS)
    picture.paste(light, (round(left + em * 0.07), round(baseline - side * 0.88)), tile)

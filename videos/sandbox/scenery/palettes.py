"""The colours and subjects that a prompt suggests."""

import re
from dataclasses import dataclass

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Palette:
    """RGB colours: zenith, middle and horizon of the sky, glow of its light, and the darkest foreground."""

    zenith: Colour
    middle: Colour
    horizon: Colour
    glow: Colour
    foreground: Colour

    @property
    def is_dark(self) -> bool:
        """Tell whether stars are visible in this sky."""
        return sum(self.zenith) < 90


PALETTES = {
    "teal": Palette((5, 16, 26), (12, 58, 70), (66, 150, 142), (214, 242, 216), (2, 10, 15)),
    "violet": Palette((16, 9, 40), (62, 34, 108), (148, 108, 190), (206, 200, 255), (8, 5, 20)),
    "ember": Palette((16, 8, 22), (88, 26, 44), (230, 108, 58), (255, 216, 150), (10, 5, 9)),
    "magenta": Palette((20, 8, 38), (104, 28, 90), (236, 112, 122), (255, 204, 178), (14, 5, 22)),
    "navy": Palette((5, 9, 24), (24, 38, 82), (92, 118, 176), (228, 234, 255), (4, 7, 16)),
    "dawn": Palette((34, 48, 88), (134, 116, 150), (246, 188, 150), (255, 238, 208), (20, 19, 38)),
    "gold": Palette((38, 26, 30), (146, 88, 46), (248, 194, 108), (255, 242, 204), (22, 13, 12)),
    "moss": Palette((9, 26, 26), (38, 82, 68), (158, 188, 146), (238, 248, 210), (3, 12, 11)),
    "ice": Palette((18, 34, 60), (78, 124, 164), (202, 222, 236), (255, 254, 248), (12, 24, 42)),
    "abyss": Palette((8, 92, 118), (4, 58, 92), (3, 26, 52), (186, 250, 240), (1, 8, 18)),
    "night": Palette((3, 6, 18), (10, 22, 52), (34, 62, 104), (220, 232, 255), (2, 4, 10)),
    "neon": Palette((7, 6, 24), (40, 18, 74), (176, 62, 120), (255, 170, 190), (4, 4, 14)),
    "copper": Palette((10, 18, 34), (60, 56, 74), (222, 140, 88), (255, 226, 178), (8, 9, 16)),
}

# Word stems in several of the languages that the caption's font covers; the first matching kind wins.
SUBJECTS = {
    "volcano": r"volcan|lava|erupt|magma|vulkan|вулкан|лав[аы]|ηφαίστει",
    "underwater": r"underwater|coral|whale|fish|jelly|diver|deep sea|reef|unterwasser|рыб|подводн|ψάρι|βυθ",
    "space": r"space|planet|galax|astronaut|orbit|nebula|cosm|rocket|mars\b|weltraum|косм|планет|διάστημα",
    "aurora": r"aurora|northern light|polar|arctic|сияни|polarlicht|boréal|σέλας",
    "city": r"city|street|neon|tokyo|skyline|traffic|car\b|cyber|ville\b|stadt|город|улиц|πόλη|rue\b|ciudad",
    "desert": r"desert|dune|sand|sahara|camel|canyon|désert|wüste|пустын|έρημο",
    "snow": r"snow|winter|ice\b|glacier|frost|ski\b|neige|schnee|снег|зим|χιόν",
    "forest": r"forest|tree|wood|jungle|fox|deer|leaf|leaves|fern|forêt|wald|\bлес|δάσος|bosque",
    "sea": r"sea\b|ocean|wave|ship|boat|beach|sail|coast|river|lake|mer\b|meer|море|океан|волн|озер|θάλασσα",
    "mountains": r"mountain|peak|valley|hill|alps|cliff|summit|montagn|berg|\bгор[аыу]|βουν",
}
MOODS = {
    "ember": r"sunset|fire|flame|закат|ηλιοβασίλεμα",
    "dawn": r"dawn|sunrise|morning|рассвет|утр|αυγή|aube",
    "night": r"night|midnight|star|ноч|νύχτα|nuit",
    "gold": r"golden|honey|autumn|осен|φθινόπωρο",
    "teal": r"storm|rain|mist|fog|дожд|туман|βροχή",
}
KIND_PALETTES = {
    "mountains": ("teal", "violet", "magenta", "navy", "dawn", "copper"),
    "sea": ("teal", "copper", "magenta", "dawn", "navy", "gold"),
    "desert": ("gold", "ember", "dawn", "magenta"),
    "forest": ("moss", "teal", "dawn", "navy"),
    "snow": ("ice", "navy", "dawn"),
    "city": ("neon", "violet", "navy", "copper"),
    "aurora": ("night",),
    "space": ("night", "violet"),
    "volcano": ("ember", "violet"),
    "underwater": ("abyss",),
}
# Picked at random, so a repeated kind is more frequent.
DEFAULT_KINDS = ("mountains", "sea", "desert", "forest", "aurora", "mountains", "sea")


def find_subjects(prompt: str) -> tuple[str, ...]:
    """Return the kinds of scene that a prompt names, most specific first."""
    return _matching(SUBJECTS, prompt)


def find_moods(prompt: str) -> tuple[str, ...]:
    """Return the palettes that a prompt names."""
    return _matching(MOODS, prompt)


def _matching(patterns: dict[str, str], prompt: str) -> tuple[str, ...]:
    return tuple(name for name, pattern in patterns.items() if re.search(pattern, prompt.lower()))

"""File names of downloads: letters of every script, and safe on Windows, macOS and Linux."""

import re
import unicodedata
from urllib.parse import quote

MAX_BYTES = 120  # file systems take 255; folders and tools need some of it
MAX_READ = 500  # characters of a text that are read for its name
# Names of devices on Windows, with any ending.
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
# Some scripts and emoji need these characters between letters.
JOINERS = "\u200c\u200d"
APOSTROPHES = "'’ʼ"


def file_name(text: str, ending: str) -> str:
    """Return a name made of the first words of a text, joined by hyphens, and an ending such as ".mp4".

    Without letters, numbers or symbols in the text, the name is "video" and the ending.
    """
    composed = unicodedata.normalize("NFC", text[:MAX_READ].lower())
    words = "".join(letter if _is_kept(letter) else " " for letter in composed if letter not in APOSTROPHES).split()
    stem = _cut("-".join(words), MAX_BYTES - len(ending.encode()))
    name = (stem.strip(f"-_{JOINERS}") or "video") + ending
    return f"_{name}" if RESERVED.fullmatch(name) else name


def attachment(name: str) -> str:
    """Return the Content-Disposition of a download; `name` is safe, as from `file_name`. Source: RFC 6266, RFC 8187."""
    if name.isascii():
        return f'attachment; filename="{name}"'
    # For clients that do not know the extended form.
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem, _, ending = re.sub(r"[^\w.-]", "", plain).rpartition(".")
    stem = re.sub(r"-{2,}", "-", stem).strip("-") or "download"
    return f"attachment; filename=\"{stem}.{ending}\"; filename*=UTF-8''{quote(name, safe='')}"


def _is_kept(letter: str) -> bool:
    """Return whether a character is a letter, mark, number, hyphen, or a symbol such as an emoji."""
    if letter in JOINERS or letter in "-_":
        return True
    category = unicodedata.category(letter)
    return category[0] in "LMN" or (category in ("So", "Sk") and not letter.isascii())


def _cut(text: str, most: int) -> str:
    """Cut a text to this many bytes: after a whole word if that keeps more than half, else after a whole letter."""
    encoded = text.encode()
    if len(encoded) <= most:
        return text
    kept = encoded[:most].decode(errors="ignore")
    while kept and _continues(text[len(kept)], kept[-1]):
        kept = kept[:-1]
    words, _, _ = kept.rpartition("-")
    return words if len(words) > len(kept) // 2 and text[len(kept)] != "-" else kept


def _continues(following: str, last: str) -> bool:
    return unicodedata.category(following)[0] == "M" or following in JOINERS or last in JOINERS

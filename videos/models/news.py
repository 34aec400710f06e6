from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class News:
    """A state in words, for members; `admin` is for admins only."""

    title: str
    text: str
    who: str = ""
    admin: str = ""

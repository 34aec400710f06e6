"""One environment variable: how it is read, validated and documented."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")
MAX_SHOWN = 120  # characters of a value in a message
# The places of values from a file, such as ".env, line 3", by the name of the variable.
SOURCES: dict[str, str] = {}


class Invalid(ValueError):
    """A value that cannot be right.

    `remedy` completes "set it to …"; `problem` completes "…, which …" and must not contain a secret.
    """

    def __init__(self, remedy: str, problem: str = "") -> None:
        super().__init__(remedy)
        self.remedy, self.problem = remedy, problem


@dataclass(frozen=True, kw_only=True)
class Variable(Generic[T]):
    """An environment variable.

    `parse` turns the stripped text, or `default` if the variable is unset or empty, into the value, and raises Invalid.
    `meaning` and `default_meaning` are Markdown for the documentation. No message shows a value with `is_secret`.
    """

    name: str
    parse: Callable[[str], T]
    meaning: str
    default: str = ""
    default_meaning: str = ""
    example: str = ""
    is_secret: bool = False
    may_have_quotes: bool = False

    @property
    def is_set(self) -> bool:
        """Whether the variable is set, perhaps to an empty value."""
        return self.name in os.environ

    @property
    def text(self) -> str:
        """The text of the variable, without surrounding white space; "" if unset."""
        return os.environ.get(self.name, "").strip()

    @property
    def value(self) -> T:
        """The value. Raises ImproperlyConfigured, which says what to set the variable to."""
        try:
            return self._parsed()
        except Invalid as invalid:
            raise ImproperlyConfigured(self._sentence(invalid)) from None

    def fault(self) -> str:
        """Return a sentence that says what is wrong with the value and what to write; "" if it is valid."""
        try:
            self._parsed()
        except Invalid as invalid:
            return self._sentence(invalid)
        return ""

    def _parsed(self) -> T:
        text = self.text
        if not self.may_have_quotes and len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
            raise Invalid("the same without them", "is in quotes")
        return self.parse(text or self.default)

    def _sentence(self, invalid: Invalid) -> str:
        name = f"{self.name} ({SOURCES[self.name]})" if self.name in SOURCES else self.name
        if self.is_secret or not self.text:
            return f"{name} {invalid.problem or 'cannot be read'}; set it to {invalid.remedy}."
        # An address may contain a password.
        shown = re.sub(r"//[^/]*@", "//[redacted]@", self.text)
        shown = shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}…"
        problem = f", which {invalid.problem}" if invalid.problem else ""
        return f"{name} is {shown!r}{problem}; set it to {invalid.remedy}."


@dataclass(frozen=True)
class Section:
    """Variables that one table of the documentation describes, on this page."""

    title: str
    page: str
    variables: tuple[Variable[Any], ...]

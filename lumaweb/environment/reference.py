"""Write the documentation of the variables: `.env.example` and the tables in docs/."""

import re
from textwrap import wrap

from .paths import BASE_DIR
from .variable import Section, Variable
from .variables import SECTIONS

EXAMPLE_HEAD = """\
# Settings of Lumaweb. Copy this file to .env, remove the # in front of what you set, and let nobody else read it:
#   install -m 600 .env.example .env
# One NAME=value per line. A value may be in quotes; # inside of quotes, and $, are ordinary characters. Variables that
# are set already win. Restart Lumaweb after a change.
# docs/operator/configuration.md explains each variable. Written by: python -m lumaweb.environment
"""


def env_example() -> str:
    """Return the content of `.env.example`, with every variable commented out."""
    parts = [EXAMPLE_HEAD]
    for section in SECTIONS:
        parts.append(f"\n# ── {section.title} {'─' * (105 - len(section.title))}\n")
        for variable in section.variables:
            meaning = f"{_sentence(variable.meaning)}. Default: {_default(variable)}."
            lines = wrap(meaning, 117, break_long_words=False, break_on_hyphens=False)
            value = variable.example or variable.default
            value = f'"{value}"' if " " in value else value
            parts.append("\n" + "".join(f"# {line}\n" for line in lines) + f"#{variable.name}={value}\n")
    return "".join(parts)


def table(section: Section) -> str:
    """Return the Markdown table of a section."""
    rows = [
        f"| `{variable.name}` | {variable.meaning} | {_default_meaning(variable)} |" for variable in section.variables
    ]
    return "\n".join(["| variable | meaning | default |", "| --- | --- | --- |", *rows])


def with_tables(page: str, text: str) -> str:
    """Return the text of a page of docs/ with its current tables of variables."""
    for section in SECTIONS:
        if section.page == page:
            names = "|".join(variable.name for variable in section.variables)
            # The table that describes at least one of these variables.
            rows = rf"(?:\|.*\n)*?\| `(?:{names})`.*\n(?:\|.*\n)*"
            found = re.search(rf"^\| variable \|.*\n\|[ |-]+\n{rows}", text, re.MULTILINE)
            if not found:
                raise ValueError(f"{page} has no table of variables for “{section.title}”.")
            text = text[: found.start()] + table(section) + "\n" + text[found.end() :]
    return text


def write() -> None:
    """Write `.env.example` and the tables."""
    (BASE_DIR / ".env.example").write_text(env_example())
    for page in dict.fromkeys(section.page for section in SECTIONS):
        path = BASE_DIR / page
        path.write_text(with_tables(page, path.read_text()))


def _default_meaning(variable: Variable[object]) -> str:
    return variable.default_meaning or (f"`{variable.default}`" if variable.default else "none")


def _default(variable: Variable[object]) -> str:
    """Return the default as plain text, with an explanation in parentheses."""
    return re.sub(r"^([^:]+): (.+)$", r"\1 (\2)", _plain(_default_meaning(variable)))


def _sentence(markdown: str) -> str:
    text = _plain(markdown)
    return text if markdown.startswith("`") else text[0].upper() + text[1:]


def _plain(markdown: str) -> str:
    """Return the text without links and code marks."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "")

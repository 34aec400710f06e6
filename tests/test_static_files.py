"""Rules for stylesheets and scripts that the linter cannot check."""

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parent.parent / "static"
STYLESHEETS = sorted((STATIC / "css").glob("*.css"))
SCRIPTS = sorted((STATIC / "js").glob("*.js"))
COLOUR = re.compile(r"#[0-9a-f]{3,8}\b(?![^{]*\{)|\b(?:rgb|hsl|oklch|oklab)a?\(\s*[\d.]", re.IGNORECASE)
# Sets the variables of Django's admin.
WITH_COLOURS = {"tokens.css", "admin.css"}


@pytest.mark.parametrize("path", STYLESHEETS, ids=lambda path: path.name)
def test_raw_colours_stand_in_the_tokens(path):
    declarations = re.findall(r"[\w-]+:\s*([^;{}]+);", path.read_text())
    found = [value for value in declarations if COLOUR.search(value)]
    assert path.name in WITH_COLOURS or not found


@pytest.mark.parametrize("path", STYLESHEETS, ids=lambda path: path.name)
def test_only_open_popovers_have_fallback_positions(path):
    """WebKit 2.50 hangs when an element that contains a closed one with fallbacks is hidden."""
    selectors = re.findall(r"([^{};/]+)\{[^{}]*position-try", path.read_text())
    assert all(":popover-open" in selector for selector in selectors)


@pytest.mark.parametrize("path", STYLESHEETS, ids=lambda path: path.name)
def test_a_stylesheet_is_short(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_short_and_defines_at_most_its_own_element(path):
    text = path.read_text()
    assert len(text.splitlines()) < 400
    assert re.findall(r'customElements\.define\("([\w-]+)"', text) in ([], [path.stem])
    assert "extends HTMLElement" not in text or path.name == "base-element.js"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_has_no_nested_template_literals(path):
    """rjsmin, which minifies the served scripts, removes spaces from their text."""
    text = path.read_text()
    while (shorter := re.sub(r"\$?\{[^{}`]*\}", "", text)) != text:
        text = shorter
    assert "${" not in text, "a template literal is inside of ${}"


MISREAD = re.compile(r"(?:=>|\b(?:await|case|delete|do|else|in|of|throw|typeof|void|yield)\b)\s*/(?![/*])")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_regular_expressions_follow_no_arrow_and_no_keyword_but_return(path):
    """There rjsmin takes the slash for a division, and removes spaces from the expression."""
    assert not MISREAD.findall(path.read_text())


LISTENS = re.compile(r'"keydown",\s*(?!\s*"pointermove")')


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_that_acts_on_keys_leaves_those_of_input_methods_alone(path):
    text = path.read_text()
    assert not LISTENS.search(text) or "isComposing(event)" in text

"""The documentation: what it links, names and shows exists."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands

from .screenshots import SHOWN_IN_DOCS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = {
    path.relative_to(ROOT).as_posix(): path
    for path in (*ROOT.glob("*.md"), ROOT / "deploy/README.md", *DOCS.rglob("*.md"))
}
# The changelog names files of earlier versions.
CURRENT = [page for page in PAGES if page != "CHANGELOG.md"]
TOP = "lumaweb|videos|templates|static|tests|docs|deploy|.ci"


def anchors_of(path: Path) -> set[str]:
    """Return the anchors that code hosts give to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page].read_text()):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = (PAGES[page].parent / file).resolve() if file else PAGES[page]
        assert path.exists(), target
        if anchor:
            linked = path / "README.md" if path.is_dir() else path
            assert anchor in anchors_of(linked), target


@pytest.mark.parametrize("page", CURRENT)
def test_every_path_that_a_page_names_exists(page):
    for name in re.findall(rf"`((?:{TOP})/[\w./@-]*)`", PAGES[page].read_text()):
        assert (ROOT / name).exists(), name


def test_every_page_that_the_code_names_exists():
    files = [path for folder in ("lumaweb", "videos", "templates", "deploy") for path in (ROOT / folder).rglob("*")]
    texts = {
        path: path.read_text() for path in files if path.suffix in {".py", ".html", ".service", ".yaml", ".example"}
    }
    named = {
        (path, name) for path, text in texts.items() for name in re.findall(r"\b(?:docs|deploy)/[\w/-]+\.md", text)
    }
    assert {(str(path), name) for path, name in named if not (ROOT / name).exists()} == set()
    assert len(named) > 5


@pytest.mark.parametrize("page", CURRENT)
def test_every_function_is_where_a_page_says(page):
    for name, path in re.findall(r"`(\w+)`(?:\s+in|,\s+in|\s+of)\s+`([\w./]+\.py)`", PAGES[page].read_text()):
        assert re.search(rf"\b(def|class) {name}\b|^{name} =", (ROOT / path).read_text(), re.MULTILINE), (name, path)


@pytest.mark.parametrize("page", CURRENT)
def test_every_command_that_a_page_names_exists(page):
    text = PAGES[page].read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", text)) - {(name, "") for name in targets} == set()
    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= get_commands().keys()


def test_the_page_on_configuration_names_every_variable():
    pages = "".join((DOCS / f"operator/{name}.md").read_text() for name in ("configuration", "storage"))
    pages += (DOCS / "contributor/sandbox.md").read_text()
    named = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", pages))
    example = (ROOT / "deploy/lumaweb.env.example").read_text()
    variables = set(re.findall(r"^#?([A-Z][A-Z_0-9]+)=", example, re.MULTILINE))
    assert variables - {"POSTGRES_PASSWORD"} <= named


def test_every_page_is_in_the_index():
    linked = {(DOCS / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)\)", (DOCS / "README.md").read_text())}
    assert set(DOCS.rglob("*.md")) - {DOCS / "README.md"} <= linked


def test_only_screenshots_that_the_docs_show_are_kept():
    shown = "".join(path.read_text() for path in PAGES.values())
    assert {path.stem for path in (DOCS / "screenshots").iterdir()} == SHOWN_IN_DOCS
    assert {name for name in SHOWN_IN_DOCS if f"screenshots/{name}.jpg)" not in shown} == set()


def test_every_file_names_the_same_version():
    known = settings.VERSION
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    assert f'org.opencontainers.image.version="{known}"' in dockerfile
    images = [(ROOT / f"deploy/{name}").read_text() for name in ("compose.yaml", "compose.scale.yaml")]
    assert {tag for text in (dockerfile, *images) for tag in re.findall(r"lumaweb:(\d+\.[\w.]+)", text)} == {known}
    released = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == known

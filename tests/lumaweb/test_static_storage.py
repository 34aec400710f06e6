"""Served stylesheets and scripts are minified and keep their meaning."""

import re
from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage

from lumaweb.static_storage import HashedStaticFiles, minify_stylesheet

STATIC = Path(__file__).resolve().parents[2] / "static"
SOURCE = """/* A comment, "with quotes". */
@layer a {
  .x :is(b, .y),
  .z > :focus-visible {
    --empty: ;
    width: calc(1px + 2px); /* Another. */
    content: "a  {b} ; /* c */ \\"d\\"  e";
  }
}
"""


def test_a_minified_stylesheet_keeps_strings_and_the_spaces_with_a_meaning():
    assert minify_stylesheet(SOURCE) == (
        "@layer a{.x :is(b, .y), .z > :focus-visible{--empty:;width: calc(1px + 2px);"
        'content: "a  {b} ; /* c */ \\"d\\"  e";}}'
    )


@pytest.fixture
def collected(tmp_path):
    """Return a function that collects files and returns their served content by name."""

    def collect(files: dict[str, str]) -> dict[str, str]:
        source, target = tmp_path / "source", tmp_path / "target"
        for folder in (source, target):
            for name, text in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text)
        storage = HashedStaticFiles(location=target, base_url="/static/")
        paths = {name: (FileSystemStorage(source), name) for name in files}
        hashed = {
            name: stored for name, stored, _ in storage.post_process(paths) if name in files and stored[-2:] != "br"
        }
        assert (source / next(iter(files))).read_text() == files[next(iter(files))]
        return {name: (target / stored.removesuffix(".gz")).read_text() for name, stored in hashed.items()}

    return collect


def test_a_stylesheet_contains_those_it_imports(collected):
    files = {
        "css/all.css": '/* All. */\n@import "one.css";\n@import "two.css";\n.c { color: red; }\n',
        "css/one.css": "@layer x, y;\n",
        "css/two.css": '@import "three.css";\n.b { color: red; }\n',
        "css/three.css": "/* Three. */\n.a { color: red; }\n",
    }
    assert collected(files)["css/all.css"] == "@layer x, y;.a{color: red;}.b{color: red;}.c{color: red;}"


def test_a_script_imports_hashed_modules_and_one_of_a_package_is_not_changed(collected):
    files = {
        "js/one.js": '// A comment.\nimport { two } from "./two.js";\n\nexport const text = `a  // b`;\n',
        "js/two.js": "export const two = /[/]\\/\\/x/;\n",
        "package/js/three.js": "// A comment.\n",
    }
    served = collected(files)
    assert re.fullmatch(
        r'import\{two\} from "\./two\.[0-9a-f]{12}\.js";export const text=`a  // b`;', served["js/one.js"]
    )
    assert served["js/two.js"] == "export const two=/[/]\\/\\/x/;"
    assert served["package/js/three.js"] == "// A comment.\n"


def test_every_imported_stylesheet_exists_and_is_imported_once():
    imported = [
        name
        for path in (STATIC / "css").glob("*.css")
        for name in re.findall(r"@import \"([^\"]*)\"", path.read_text())
    ]
    assert len(imported) > 8 and len(imported) == len(set(imported))
    assert all((STATIC / "css" / name).is_file() for name in imported)

"""Serve static files under hashed names, and minify our stylesheets and scripts."""

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Any

import rjsmin
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, Storage
from whitenoise.storage import CompressedManifestStaticFilesStorage

# Files of packages are not changed.
STYLESHEETS, SCRIPTS = "css/*.css", "js/*.js"
IMPORT = re.compile(r'@import "([\w-]+\.css)";\s*')
# Keep spaces around other characters: they have a meaning in `.a :is(b)`, `a + b` and `calc(1px + 2px)`.
STRING_COMMENT_OR_SPACE = re.compile(
    r""" ("(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*') | /\*.*?\*/\s* | \s*([{};])\s* | \s+ """, re.VERBOSE | re.DOTALL
)


def minify_stylesheet(text: str) -> str:
    """Remove comments, indentation and line breaks outside of strings."""

    def shortened(found: re.Match[str]) -> str:
        return found[1] or found[2] or ("" if found[0].startswith("/*") else " ")

    return STRING_COMMENT_OR_SPACE.sub(shortened, text).strip()


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """Add hashes to file names, also in imports of our scripts, so that browsers can cache the files forever.

    Imported stylesheets are inlined: one file takes one request, and compresses better than its parts.
    """

    # Not in scripts of packages: some mention modules that they do not contain.
    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        (SCRIPTS, CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1]),  # noqa: SLF001  Django has no public name for it
    )

    def post_process(
        self, paths: dict[str, tuple[Storage, str]], dry_run: bool = False, **options: Any
    ) -> Iterator[tuple[str, str | None, bool | Exception]]:
        """Process minified copies of our stylesheets and scripts instead of the files."""
        minified = InMemoryStorage()
        for name in [] if dry_run else list(paths):
            if fnmatch(name, STYLESHEETS):
                text = minify_stylesheet(_with_imports(name, paths))
            elif fnmatch(name, SCRIPTS):
                text = rjsmin.jsmin(_read(name, paths))
            else:
                continue
            minified.save(name, ContentFile(text.encode()))
            paths[name] = (minified, name)
        yield from super().post_process(paths, dry_run, **options)


def _read(name: str, paths: dict[str, tuple[Storage, str]]) -> str:
    storage, path = paths[name]
    with storage.open(path) as file:
        return file.read().decode()


def _with_imports(name: str, paths: dict[str, tuple[Storage, str]]) -> str:
    """Return a stylesheet in which its imports from the same folder are replaced by their content."""
    folder = PurePosixPath(name).parent
    return IMPORT.sub(lambda found: _with_imports(str(folder / found[1]), paths), _read(name, paths))

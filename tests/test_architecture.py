"""The architecture's rules for every file: layers, cycles, vendors, sizes. docs/architecture.md explains them."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = {
    path.relative_to(ROOT).as_posix(): path
    for package in ("lumaweb", "videos")
    for path in sorted((ROOT / package).rglob("*.py"))
    if "migrations" not in path.parts
}
SANDBOX = "videos/sandbox/"
DECODING = "videos/media/decoding/"

# From the top down: a file may import from its own layer and the layers below it. Each prefix ends a module's path.
LAYERS = [
    ["lumaweb.urls", "lumaweb.wsgi"],
    ["lumaweb.ops"],
    ["videos.urls", "videos.apps"],
    ["videos.views", "videos.admin", "videos.management", "videos.templatetags"],
    ["videos.forms"],
    ["videos.creation", "videos.frames", "videos.tasks"],
    ["videos.jobs"],
    [
        "videos.reports",
        "videos.checks",
        "videos.mail",
        "videos.mail_errors",
        "videos.password_links",
        "videos.password_sign_in",
        "videos.sign_in",
        "videos.sign_in_links",
    ],
    ["videos.models", "videos.self_test"],
    ["videos.media"],
    ["videos.date_ranges", "videos.limits"],
    ["videos.provider", "videos.oidc", "videos.keyset", "videos.file_names"],
]
# Modules of lumaweb that import nothing of ours: the product may use them, and nothing else of the installation.
LEAVES = {
    "lumaweb.data_lock",
    "lumaweb.deadline",
    "lumaweb.durability",
    "lumaweb.locked_command",
    "lumaweb.logs",
    "lumaweb.permissions",
    "lumaweb.sign_in",
    "lumaweb.sqlite.base",
    "lumaweb.storage_errors",
}
DOWNLOAD = "videos/media/download/"
VENDORS: dict[str, set[str]] = {
    "authlib": {"videos/oidc/client.py"},
    "joserfc": {"videos/oidc/client.py", "videos/oidc/metadata.py"},
    "httpx": {
        "videos/provider/account.py",
        "videos/oidc/http.py",
        "videos/provider/client.py",
        "videos/provider/http.py",
        "videos/provider/uploads.py",
        DOWNLOAD + "fetching.py",
        DOWNLOAD + "links.py",
    },
    "httpcore": {DOWNLOAD + "connection.py", DOWNLOAD + "fetching.py"},
    "django_q": {"videos/jobs/queue.py", "videos/admin/site.py", "lumaweb/ops/management/commands/qcluster.py"},
    "av": {DECODING + "completeness.py", DECODING + "demuxing.py", DECODING + "video.py"},
    "PIL": {DECODING + "colours.py", DECODING + "pictures.py", DECODING + "video.py"},
    "pillow_heif": {DECODING + "heif_pictures.py"},
    "numpy": set(),
    "cryptography": {"videos/models/encryption.py", "videos/checks.py"},
    "boto3": {"lumaweb/object_storage.py"},
    "botocore": {"lumaweb/object_storage.py"},
    "storages": {"lumaweb/object_storage.py"},
    "waitress": {"lumaweb/server/parser.py", "lumaweb/server/server.py"},
    "prometheus_client": {"lumaweb/ops/metrics.py"},
}
# Django imports an app's configuration before models may be imported.
LATE_IMPORTS = {"videos/apps.py"}

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_METHODS = 25


def module_of(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {module_of(file): file for file in FILES}


@cache
def tree_of(file: str) -> ast.Module:
    return ast.parse(FILES[file].read_text())


@cache
def imports_of(file: str) -> frozenset[str]:
    """Return the absolute names of the modules that a file imports, relative imports resolved."""
    package = module_of(file).split(".")
    if not file.endswith("__init__.py"):
        package = package[:-1]
    names = set()
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*parents, *filter(None, [node.module])])
            for alias in node.names:
                name = f"{base}.{alias.name}"
                names.add(name if name in MODULES else base)
    return frozenset(names)


def layer_of(module: str) -> int | None:
    for number, prefixes in enumerate(LAYERS):
        if any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes):
            return number
    return None


def functions_of(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (child for child in ast.walk(node) if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))


# ── Rules for every file ──────────────────────────────────────────────────────────────────────────────────────
def wrong_layers(file: str) -> Iterator[str]:
    module = module_of(file)
    layer = layer_of(module)
    if layer is None and module.startswith(("videos.", "lumaweb.ops.")):
        yield f"{module} is in no layer: add it to LAYERS"
    for name in imports_of(file):
        if layer is None and name.startswith("videos"):
            yield f"imports {name}: in lumaweb only urls and ops may import videos"
        if module.startswith("videos") and name.startswith("lumaweb") and name not in LEAVES:
            yield f"imports {name}: videos may import only these of lumaweb: {sorted(LEAVES)}"
        other = layer_of(name)
        if layer is not None and other is not None and other < layer:
            yield f"imports {name} from a layer above its own: {LAYERS[other]}"


def late_imports(file: str) -> Iterator[str]:
    if file not in LATE_IMPORTS:
        for function in functions_of(tree_of(file)):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    yield f"line {node.lineno}: imports inside a function"


def wrong_vendors(file: str) -> Iterator[str]:
    for vendor in {name.split(".")[0] for name in imports_of(file)} & VENDORS.keys():
        if file not in VENDORS[vendor]:
            yield f"imports {vendor}: only {sorted(VENDORS[vendor])} may"


def sizes(file: str) -> Iterator[str]:
    """Ruff checks the complexity of functions."""
    lines = len(FILES[file].read_text().splitlines())
    if lines > MAX_FILE_LINES:
        yield f"has {lines} lines: {MAX_FILE_LINES} at most"
    for function in functions_of(tree_of(file)):
        lines = (function.end_lineno or 0) - function.lineno + 1
        if lines > MAX_FUNCTION_LINES:
            yield f"line {function.lineno}: {function.name} has {lines} lines: {MAX_FUNCTION_LINES} at most"
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.ClassDef):
            methods = sum(isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) for child in node.body)
            if methods > MAX_METHODS:
                yield f"line {node.lineno}: {node.name} has {methods} methods: {MAX_METHODS} at most"


@pytest.mark.parametrize("file", FILES)
def test_a_file_follows_the_rules(file):
    rules = [late_imports, sizes] if file.startswith(SANDBOX) else [wrong_layers, late_imports, wrong_vendors, sizes]
    violations = [f"{file}: {violation}" for rule in rules for violation in rule(file)]
    assert not violations, "\n".join(violations)


def test_the_rules_name_files_that_exist():
    assert {file for files in VENDORS.values() for file in files} <= FILES.keys()
    assert MODULES.keys() >= LEAVES and FILES.keys() >= LATE_IMPORTS


def test_leaf_modules_import_only_leaf_modules():
    for leaf in LEAVES:
        ours = {name for name in imports_of(MODULES[leaf]) if name.split(".")[0] in ("lumaweb", "videos")}
        assert ours <= LEAVES | {"lumaweb"}, f"{leaf} imports {sorted(ours - LEAVES)}"


def test_no_modules_import_each_other():
    imports = {module_of(file): set(imports_of(file)) & MODULES.keys() for file in FILES}
    while independent := [module for module, names in imports.items() if not names & imports.keys()]:
        for module in independent:
            del imports[module]
    while unused := imports.keys() - set().union(*imports.values()):
        for module in unused:
            del imports[module]
    assert not imports, "import cycle: " + ", ".join(
        f"{module} → {name}" for module in sorted(imports) for name in sorted(imports[module] & imports.keys())
    )


# ── Provider, sandbox, decoding ───────────────────────────────────────────────────────────────────────────────
def test_no_module_of_the_tests_imports_a_test_module():
    """Helpers belong into tests/support, fixtures into a conftest.py."""
    pattern = re.compile(
        r"^\s*(from [\w.]*\btest_\w+ import|from [\w.]+ import .*\btest_\w+|import .*\btest_\w+)", re.M
    )
    importing = {
        path.relative_to(ROOT).as_posix(): match[0].strip()
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if (match := pattern.search(path.read_text()))
    }
    assert importing == {}


def test_the_provider_package_and_downloads_do_not_import_django():
    files = [file for file in FILES if file.startswith(("videos/provider/", DOWNLOAD))]
    assert len(files) > 5
    for file in files:
        assert not any(name.split(".")[0] == "django" for name in imports_of(file)), file


def test_the_sandbox_and_the_product_do_not_import_each_other():
    for file in FILES:
        for name in imports_of(file):
            if file.startswith(SANDBOX):
                foreign = name.split(".")[0] in ("videos", "lumaweb", "django", "httpx")
                assert not foreign or name.startswith("videos.sandbox"), f"{file} imports {name}"
            else:
                assert "sandbox" not in name, f"{file} imports {name}"


def test_the_product_does_not_know_that_it_talks_to_a_sandbox():
    """Only the settings and their variables, which say where it listens, and what starts it mention the sandbox."""
    allowed = {
        "lumaweb/settings.py",
        "lumaweb/ops/management/commands/serve.py",
        "lumaweb/ops/programs.py",
        "lumaweb/ops/provider_choice.py",
        "videos/migrations/0028_simulated_tokens.py",
    }
    for file, path in FILES.items():
        if not file.startswith((SANDBOX, "lumaweb/environment/variables/")) and file not in allowed:
            assert "sandbox" not in path.read_text().lower(), file


def test_videos_are_opened_with_an_explicit_format():
    """Without a format FFmpeg chooses any of its demuxers by the bytes of a foreign file."""
    calls = [
        (file, call)
        for file in FILES
        for call in ast.walk(tree_of(file))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "av.open"
    ]
    assert len(calls) > 5
    for file, call in calls:
        assert "format" in {keyword.arg for keyword in call.keywords}, f"{file}:{call.lineno}"


def test_only_the_decoding_process_loads_a_decoder():
    """A decompression bomb can then harm only that process, and every other process needs less memory."""
    modules = [module_of(file) for file in FILES if not file.startswith((SANDBOX, DECODING))]
    assert len(modules) > 100
    code = f"""
import importlib, sys
import django
django.setup()
for module in {[*modules, "videos.media.decoding.client"]!r}:
    importlib.import_module(module)
print([name for name in ("av", "PIL", "pillow_heif", "numpy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


# ── Templates ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_templates_have_no_inline_script_or_style():
    inline = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>|\sstyle=|\son[a-z]+=|hx-on|javascript:", re.IGNORECASE)
    for path in (ROOT / "templates").rglob("*.html"):
        assert not inline.search(path.read_text()), path.name

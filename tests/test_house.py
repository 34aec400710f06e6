"""The plan of the house: imports point down only, and each vendor has its room."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {
    path.relative_to(ROOT).as_posix(): path
    for folder in ("videos", "lumaweb")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
}
VENDORS = {
    "httpx": {
        "videos/provider/client.py",
        "videos/provider/http.py",
        "videos/provider/uploads.py",
        "videos/media/download/fetching.py",
        "videos/media/download/links.py",
    },
    "httpcore": {"videos/media/download/fetching.py", "videos/media/download/connection.py"},
    "django_q": {"videos/jobs/queue.py", "videos/admin/site.py", "lumaweb/ops/management/commands/qcluster.py"},
    "av": {
        "videos/media/decoding/completeness.py",
        "videos/media/decoding/demuxing.py",
        "videos/media/decoding/video.py",
    },
    "PIL": {"videos/media/decoding/pictures.py", "videos/media/decoding/video.py"},
    "numpy": set(),
    "cryptography": {"videos/models/token.py", "videos/checks.py"},
    "boto3": {"lumaweb/object_storage.py"},
    "botocore": {"lumaweb/object_storage.py"},
    "storages": {"lumaweb/object_storage.py"},
    "prometheus_client": {"lumaweb/ops/metrics.py"},
}
# From the top down: a room may import from its own floor and those below it.
FLOORS = [
    {"urls"},
    {"views", "admin", "management"},
    {"forms"},
    {"creation", "frames", "limits"},
    {"tasks"},
    {"jobs"},
    {"reports"},
    {"models", "checks"},
    {"media"},
    {"provider"},
]


def imports_of(path: Path) -> set[str]:
    """Absolute names of all modules a file imports, relative imports resolved."""
    package = list(path.relative_to(ROOT).with_suffix("").parts)
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: -node.level], *(node.module or "").split(".")] if node.level else [node.module]
            base = ".".join(filter(None, base))
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return names


def floor_of(module: str) -> int | None:
    parts = module.split(".")
    if parts[0] != "videos" or len(parts) < 2:
        return None
    return next((number for number, rooms in enumerate(FLOORS) if parts[1] in rooms), None)


@pytest.mark.parametrize("room", [room for room in ROOMS if not room.startswith("videos/sandbox/")])
def test_vendors_stay_in_their_rooms_and_imports_point_down(room):
    names = imports_of(ROOMS[room])
    for vendor, allowed in VENDORS.items():
        if any(name.split(".")[0] == vendor for name in names):
            assert room in allowed, f"{room} imports {vendor}"
    mine = floor_of(room.removesuffix(".py").replace("/", "."))
    for name in names:
        theirs = floor_of(name)
        if mine is not None and theirs is not None:
            assert theirs >= mine, f"{room} imports {name}, which lives above it"


def test_no_video_is_opened_without_its_format():
    """FFmpeg would choose among all its demuxers by the bytes of a file that somebody else made."""
    opened = [
        (room, call)
        for room, path in ROOMS.items()
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "av.open"
    ]
    assert len(opened) > 5
    for room, call in opened:
        assert "format" in {keyword.arg for keyword in call.keywords}, f"{room}:{call.lineno}"


def test_no_process_of_the_product_loads_a_decoder():
    """Only the decoding process does: a bomb can take nothing from the others, and each of them is smaller."""
    modules = [
        room.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for room in ROOMS
        if not room.startswith(("videos/sandbox/", "videos/media/decoding/"))
    ]
    assert len(modules) > 100
    code = f"""
import importlib, sys
import django
django.setup()
for module in {[*modules, "videos.media.decoding.client"]!r}:
    importlib.import_module(module)
print([name for name in ("av", "PIL", "numpy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_wire_s_room_knows_no_django():
    rooms = [room for room in ROOMS if room.startswith(("videos/provider/", "videos/media/download/"))]
    assert len(rooms) > 5
    for room in rooms:
        assert not any(name.split(".")[0] == "django" for name in imports_of(ROOMS[room])), room


def test_the_sandbox_and_the_product_do_not_know_each_other():
    for room, path in ROOMS.items():
        names = imports_of(path)
        if room.startswith("videos/sandbox/"):
            ours = {name for name in names if name.split(".")[0] in ("videos", "lumaweb", "django", "httpx")}
            assert not {name for name in ours if not name.startswith("videos.sandbox")}, room
        else:
            assert not any("sandbox" in name for name in names), room


def test_the_product_does_not_know_that_it_talks_to_a_sandbox():
    """Only what starts the processes may: settings say where it listens, serve starts it."""
    for room, path in ROOMS.items():
        if room.startswith("videos/sandbox/") or room in (
            "lumaweb/settings.py",
            "lumaweb/ops/management/commands/serve.py",
            "lumaweb/ops/programs.py",
            "lumaweb/ops/provider_choice.py",
        ):
            continue
        assert "sandbox" not in path.read_text().lower(), room


def test_templates_have_no_inline_script_or_style():
    import re

    bad = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>|\sstyle=|\son[a-z]+=|hx-on|javascript:", re.IGNORECASE)
    for path in (ROOT / "templates").rglob("*.html"):
        assert not bad.search(path.read_text()), path.name

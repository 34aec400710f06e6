"""Archives that were tampered with, cut short, or made by a newer version."""

import hashlib
import io
import json
import re
import tarfile

import pytest

from lumaweb.ops import backup
from lumaweb.ops.backup import archive as archive_file

from ...support.backup import run
from ...support.installation import Installation


def unpack(archive, staged) -> None:
    archive_file.unpack(archive, archive_file.read_manifest(archive), staged)


def rebuilt(archive, tmp_path, change) -> str:
    """Copy the archive; `change` may reorder, drop, add or alter its members."""
    with tarfile.open(archive) as tar:
        parts = [(entry, tar.extractfile(entry).read()) for entry in tar]
    target = tmp_path / "rebuilt.tar"
    with tarfile.open(target, "w") as tar:
        for entry, data in change(parts):
            entry.size = len(data) if entry.isreg() else 0
            tar.addfile(entry, io.BytesIO(data))
    return target


def with_manifest(change):
    def apply(parts):
        for entry, data in parts:
            if entry.name == "manifest.json":
                manifest = json.loads(data)
                change(manifest)
                data = json.dumps(manifest).encode()
            yield entry, data

    return apply


def a_member_named(name: str, kind: bytes = tarfile.REGTYPE, linkname: str = "", data: bytes = b"evil"):
    """Add a member that the manifest lists too, so that the hash alone does not refuse it."""

    def apply(parts):
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, linkname
        promise = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        yield entry, data
        yield from with_manifest(lambda manifest: manifest["members"].update({name: promise}))(parts)

    return apply


@pytest.mark.parametrize(
    "name",
    [
        "../evil", "/etc/evil", "media/../../evil", "media/videos/../../../evil", "media/videos//evil",
        "media/videos/.evil",
        "media/other/evil", "media/videos/a\\b", "lumaweb.sqlite3",
        "keys/../secret-key", "keys/other",
        "media/videos/a\nb",
    ],
)  # fmt: skip
def test_no_name_in_an_archive_leaves_the_target_folder(archive, tmp_path, name):
    staged = tmp_path / "in" / "side"
    staged.mkdir(parents=True)
    with pytest.raises(backup.RestoreRefused, match="no backup has"):
        unpack(rebuilt(archive, tmp_path, a_member_named(name)), staged)
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_and_devices_in_an_archive_are_refused(archive, tmp_path, kind):
    strange = a_member_named("media/videos/aa/x.mp4", kind, "/etc/passwd", b"")
    with pytest.raises(backup.RestoreRefused, match="no backup has"):
        unpack(rebuilt(archive, tmp_path, strange), tmp_path)


@pytest.mark.parametrize(("holes", "words"), [("0,4", "no backup has"), ("", "cannot be read as a backup")])
def test_a_sparse_file_in_an_archive_is_refused(archive, tmp_path, holes, words):
    whole = rebuilt(archive, tmp_path, lambda parts: parts).read_bytes()
    sparse = tarfile.TarInfo("media/videos/aa/x.mp4")
    sparse.pax_headers = {"GNU.sparse.map": holes, "GNU.sparse.realsize": str(1 << 40), "GNU.sparse.name": sparse.name}
    path = tmp_path / "sparse.tar"
    path.write_bytes(sparse.tobuf(tarfile.PAX_FORMAT) + whole)
    with pytest.raises(backup.RestoreRefused, match=words):
        unpack(path, tmp_path)


@pytest.mark.parametrize("name", ["media/videos/aa/x.mp4", "manifest.json"])
def test_a_member_of_negative_size_is_refused(archive, tmp_path, name):
    whole = rebuilt(archive, tmp_path, lambda parts: parts).read_bytes()
    entry = tarfile.TarInfo(name)
    entry.size = -512
    path = tmp_path / "negative.tar"
    path.write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + whole)
    # Newer releases of Python do not read such a header.
    with pytest.raises(backup.RestoreRefused, match=r"no backup has|cannot be read as a backup"):
        unpack(path, tmp_path)


def test_a_size_that_differs_from_the_manifest_is_refused_before_anything_is_written(archive, tmp_path):
    staged = tmp_path / "staged"
    with pytest.raises(backup.RestoreRefused, match="changed or damaged"):
        unpack(rebuilt(archive, tmp_path, altered), staged)
    assert not staged.exists()


def test_an_archive_is_unpacked_by_a_python_that_has_no_extraction_filters(archive, tmp_path, monkeypatch):
    for name in ("data_filter", "tar_filter", "fully_trusted_filter", "FilterError"):
        monkeypatch.delattr(tarfile, name, raising=False)  # Python 3.11.3 and older
    unpack(archive, tmp_path / "staged")
    assert {path.name for path in (tmp_path / "staged").iterdir()} >= {"media"}


def drop(name):
    return lambda parts: [part for part in parts if part[0].name != name]


def twice(parts):
    return [*parts[:2], parts[1], *parts[2:]]


def unpromised(parts):
    entry = tarfile.TarInfo("media/videos/aa/more.mp4")
    return [(entry, b"more"), *parts]


def altered(parts):
    return [
        (entry, data + b"x" if entry.name in (archive_file.SQLITE, archive_file.POSTGRESQL) else data)
        for entry, data in parts
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (altered, "changed or damaged"),
        (drop("media/frames/start.jpg"), "is incomplete"),
        (drop("manifest.json"), "no manifest"),
        (twice, "a member twice"),
        (unpromised, "does not list this member"),
        (with_manifest(lambda m: m.update(format=3)), "newer Lumaweb"),
        (with_manifest(lambda m: m.update(product="other")), "cannot be read"),
        (with_manifest(lambda m: m.update(members=[])), "cannot be read"),
        (with_manifest(lambda m: m["members"].update({archive_file.SQLITE: {"size": 1}})), "cannot be read"),
        (with_manifest(lambda m: m.pop("with_keys")), "cannot be read"),
    ],
)  # fmt: skip
def test_an_archive_that_was_tampered_with_is_refused(archive, tmp_path, change, words):
    with pytest.raises(backup.RestoreRefused, match=words):
        unpack(rebuilt(archive, tmp_path, change), tmp_path)


@pytest.mark.parametrize("content", [b"", b"no tar at all", b"\0" * 10240])
def test_a_file_that_is_not_an_archive_is_refused(tmp_path, content):
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(backup.RestoreRefused):
        unpack(path, tmp_path)


def test_an_archive_cut_short_is_refused(archive, tmp_path):
    path = tmp_path / "x.tar"
    data = archive.read_bytes()
    for length in (len(data) // 2, 700, len(data) * 9 // 10):
        path.write_bytes(data[:length])
        with pytest.raises(backup.RestoreRefused):
            unpack(path, tmp_path / str(length))


def test_a_backup_of_a_newer_version_is_refused(archive, tmp_path):
    newer = rebuilt(archive, tmp_path, with_manifest(lambda m: m["migrations"].append("videos.9999_later")))
    done = run(Installation(tmp_path / "new"), "restore", str(newer))
    assert done.returncode == 1
    assert re.search(r"newer Lumaweb \(videos\.9999_later\)", done.stderr)

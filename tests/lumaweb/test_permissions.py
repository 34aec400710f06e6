"""File permissions of an installation, checked on the files of real processes."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from lumaweb import permissions

from ..support.installation import ROOT, Installation

PRIVATE = ("lumaweb.sqlite3", "lumaweb.sqlite3-wal", "lumaweb.sqlite3-shm", "secret-key", "encryption-keys")


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):04o}"


def modes(paths) -> dict[str, str]:
    return {path.name: mode(path) for path in paths}


def manage(installation: Installation, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT, env=installation.env, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("inherited", [0o000, 0o077], ids=["open umask", "closed umask"])
@pytest.mark.embedded
def test_all_files_of_an_installation_are_private_for_any_umask_and_owner(tmp_path, inherited):
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o777)
    site = Installation(folder)
    with umask(inherited):
        site.manage("migrate", "-v0")
        assert mode(folder / "lumaweb.sqlite3") == "0600", "before anything tightens it"
        try:
            site.start()
            ada = site.visitor()
            ada.wait_until_saved(ada.submit(action="generate", prompt="A lighthouse", aspect_ratio="16:9"))
            assert set(modes(folder / name for name in PRIVATE).values()) == {"0600"}
        finally:
            site.stop()
    assert mode(folder) == "0750"
    saved = list((folder / "media").rglob("*"))
    assert len([path for path in saved if path.is_file()]) >= 3, "a video, its thumbnail and its poster"
    assert {mode(path) for path in saved if path.is_file()} == {"0640"}
    assert {mode(path) for path in [folder / "media", *saved] if path.is_dir()} == {"0750"}
    assert {mode(path) for path in (folder / "uploads", folder / "unsaved-answers") if path.exists()} <= {
        "0750",
        "0700",
    }


@pytest.mark.embedded
def test_a_start_tightens_permissions_of_an_earlier_version(tmp_path):
    folder = tmp_path / "data"
    site = Installation(folder)
    site.migrate()
    site.manage("check")  # generates the keys
    kept = folder / "media/videos/2026/a.mp4"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"a video")
    aside = folder / "encryption-keys.before-restore"
    aside.write_text("older")
    unsaved = folder / "unsaved-answers/1.json"
    unsaved.parent.mkdir()
    unsaved.write_text("{}")
    outside = tmp_path / "outside"
    outside.write_text("not ours")
    outside.chmod(0o644)
    (folder / "media/link").symlink_to(outside)
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o777 if path.is_dir() else 0o666)
    try:
        site.start(only=("web",))
    finally:
        site.stop()
    names = ("lumaweb.sqlite3", "secret-key", "encryption-keys", aside.name)
    assert set(modes(folder / name for name in names).values()) == {"0600"}
    assert (mode(unsaved), mode(unsaved.parent)) == ("0600", "0700")
    assert (mode(kept), mode(kept.parent), mode(folder / "media"), mode(folder)) == ("0640", "0750", "0750", "0750")
    assert mode(outside) == "0644", "links are not followed"


def test_a_data_directory_that_stays_open_is_refused_with_a_message(tmp_path, monkeypatch):
    """Another user owns it: the kernel refuses the change, and to root it would not."""

    def refuse(path, mode):
        raise PermissionError(1, "Operation not permitted", path)

    tmp_path.chmod(0o755)
    monkeypatch.setattr(os, "chmod", refuse)
    with pytest.raises(ImproperlyConfigured, match=r"have access to .* \(mode 0755, owner .*chown .*chmod 750"):
        permissions.tighten(tmp_path, media_root=None)


def test_a_file_system_without_permissions_is_refused(tmp_path, monkeypatch):
    tmp_path.chmod(0o750)
    (tmp_path / "secret-key").write_text("secret")
    (tmp_path / "secret-key").chmod(0o644)
    monkeypatch.setattr(os, "chmod", lambda path, mode: None)
    with pytest.raises(ImproperlyConfigured, match=r"secret-key .*its file system does not keep permissions"):
        permissions.tighten(tmp_path, media_root=None)


def test_a_folder_shared_through_its_group_stays_writable(tmp_path, monkeypatch):
    """As Kubernetes mounts a volume with fsGroup: root owns it, and Lumaweb writes as its group."""

    def refuse(path, mode):
        raise PermissionError(1, "Operation not permitted", path)

    tmp_path.chmod(0o2770)
    monkeypatch.setattr(os, "chmod", refuse)
    permissions.tighten(tmp_path, media_root=None)
    assert mode(tmp_path) == "2770"

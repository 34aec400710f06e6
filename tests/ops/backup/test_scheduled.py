"""Scheduled backups with real data directories and processes: what they store, and that they can be restored."""

import fcntl
import json
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lumaweb.ops.backup.retention import to_keep

from ...support import servers
from ...support.installation import ROOT, Installation
from ...support.installation_contents import FILL, PEOPLE, READ_BACK
from ...support.s3_server import S3Server

LATEST = """
import json
from videos.models import Backup
from django.core import serializers
print(json.dumps([row["fields"] for row in json.loads(serializers.serialize("json", Backup.objects.order_by("pk")))]))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Fill an installation with videos and frames, and give it a folder for backups."""
    folder = tmp_path_factory.mktemp("home")
    installation = Installation(folder, LUMAWEB_BACKUP_DIR=str(tmp_path_factory.mktemp("disk") / "backups"))
    installation.migrate()
    installation.python(FILL)
    return installation


@pytest.fixture(scope="module")
def first(home):
    """The folder with the installation's first backup."""
    said = home.manage("backup")
    assert "Written: " in said and "files: 10 " in said
    return Path(home.env["LUMAWEB_BACKUP_DIR"])


def run(installation: Installation, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT, env=installation.env, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def rows(installation: Installation) -> list[dict]:
    return json.loads(installation.python(LATEST))


def stored(folder: Path) -> dict[str, int]:
    """Return the inode of each stored media file, by hash."""
    return {path.name: path.stat().st_ino for path in folder.glob("media/??/*")}


def test_a_backup_holds_the_database_and_each_media_file_once(home, first):
    (archive,) = first.glob("database-*.tar")
    assert archive.stat().st_mode & 0o777 == 0o600 and first.stat().st_mode & 0o777 == 0o700
    # Three videos whose poster and thumbnail are copies of them, and a frame.
    before = stored(first)
    assert len(before) == 4
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in first.glob("media/??/*"))

    home.python(PEOPLE + 'film("one more")')
    assert "new: " in home.manage("backup")
    after = stored(first)
    assert len(after) == 5 and before.items() <= after.items(), "what was stored is not written again"
    latest = rows(home)[-1]
    assert latest["state"] == "done" and latest["media_files"] == 13
    assert 0 < latest["copied_bytes"] < latest["media_bytes"]
    assert not [path for path in first.iterdir() if path.name.startswith(".")]


def test_a_backup_never_contains_keys_and_api_tokens_only_encrypted(home, first):
    content = b"".join(path.read_bytes() for path in first.rglob("*.tar"))
    keys = home.python("from django.conf import settings; print(settings.SECRET_KEY, *settings.ENCRYPTION_KEYS)")
    for secret in [*keys.split(), "sandbox-secret-token"]:
        assert secret.encode() not in content


def test_a_backup_is_restored_from_its_folder(home, first, tmp_path):
    archive = max(first.glob("database-*.tar"))
    new = Installation(tmp_path / "new")
    said = new.manage("restore", str(archive))
    assert "Restored." in said and "No keys were in the archive" in said
    wanted, found = (json.loads(one.python(READ_BACK.replace("token.secret", "''"))) for one in (home, new))
    for name in ("saved", "frame", "signs_in"):
        assert found[name] == wanted[name]
    assert "changed: 0, incomplete: 0. Files missing: 0, orphans: 0." in new.manage("verify_media")
    # Its own row is of the past: nothing waits for it.
    assert {row["state"] for row in rows(new)} <= {"done"}


def test_a_downloaded_archive_alone_asks_for_its_media_or_restores_the_database(home, first, tmp_path):
    archive = shutil.copy(max(first.glob("database-*.tar")), tmp_path)
    new = Installation(tmp_path / "new")
    refused = run(new, "restore", archive)
    assert refused.returncode == 1 and "are not in" in refused.stderr and "--without-media" in refused.stderr
    assert "Restored." in new.manage("restore", archive, "--without-media")
    if not servers.there():
        other = Installation(tmp_path / "other")
        assert "Restored." in other.manage("restore", archive, "--media", str(first / "media"))
        assert "Files missing: 0" in other.manage("verify_media")


def test_a_verification_finds_damage_and_missing_files(home, first, tmp_path):
    assert "Good: " in home.manage("verify_backup")
    folder = tmp_path / "copy"
    shutil.copytree(first, folder)
    archive = max(folder.glob("database-*.tar"))
    damaged, missing, *_ = sorted(folder.glob("media/??/*"))
    damaged.write_bytes(bytes([damaged.read_bytes()[0] ^ 1]) + damaged.read_bytes()[1:])
    missing.unlink()
    found = run(home, "verify_backup", str(archive))
    assert found.returncode == 1
    assert f"damaged in the store: {damaged.name}" in found.stderr
    assert f"missing in the store: {missing.name}" in found.stderr

    with archive.open("r+b") as file:
        file.seek(5000)
        byte = file.read(1)
        file.seek(5000)
        file.write(bytes([byte[0] ^ 1]))
    assert "was changed or damaged" in run(home, "verify_backup", str(archive)).stderr
    refused = run(Installation(tmp_path / "new"), "restore", str(archive))
    assert refused.returncode == 1


def test_the_backup_after_a_verification_stores_damaged_media_again(home, first):
    damaged = min(first.glob("media/??/*"))
    good = damaged.read_bytes()
    damaged.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    assert "was changed or damaged" in run(home, "verify_backup").stderr
    home.manage("backup")
    assert damaged.read_bytes() == good
    assert "Good: " in home.manage("verify_backup")


def test_a_damaged_store_is_not_restored(home, first, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(first, folder)
    damaged = min(folder.glob("media/??/*"))
    damaged.write_bytes(bytes(damaged.stat().st_size))
    new = Installation(tmp_path / "new")
    refused = run(new, "restore", str(max(folder.glob("database-*.tar"))))
    assert refused.returncode == 1 and "was changed or damaged" in refused.stderr
    assert not list((new.folder / "media").rglob("*.mp4")), "nothing is left in place"


def test_a_killed_backup_leaves_nothing_that_looks_whole_and_the_next_one_cleans_up(home, first):
    before = set(first.glob("database-*.tar"))
    leftover = first / ".lumaweb-backup-killed"
    leftover.mkdir()
    (leftover / "archive.tar").write_bytes(b"half")
    (first / "media" / ".unfinished-killed").write_bytes(b"half")
    home.python("from videos.models import Backup; Backup.objects.begin()")
    home.manage("backup")
    assert not leftover.exists() and not list(first.glob("media/.unfinished-*"))
    assert len(set(first.glob("database-*.tar")) - before) == 1
    states = [row["state"] for row in rows(home)]
    assert states[-2:] == ["failed", "done"] and "ended before" in rows(home)[-2]["error"]


def test_two_backups_do_not_run_at_once(home, first):
    with (first / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = run(home, "backup")
    assert refused.returncode == 1 and "at the moment" in refused.stderr


def test_a_missing_disk_is_not_replaced_by_an_empty_folder(home, first):
    away = first.with_name("unmounted")
    first.rename(away)
    first.mkdir()
    try:
        refused = run(home, "backup")
        assert refused.returncode == 1 and "Is its disk mounted?" in refused.stderr
        assert not list(first.iterdir())
    finally:
        first.rmdir()
        away.rename(first)


def test_a_backup_without_enough_space_says_how_much_it_needs(home, first):
    code = """
from unittest import mock
from django.conf import settings
from lumaweb.ops.backup import scheduled
from lumaweb.ops.backup.folder import BackupFolder
with mock.patch.object(BackupFolder, "free_bytes", return_value=1000):
    made = scheduled.back_up(settings.BACKUP_DIR)
print(made.state, made.error)
"""
    said = home.python(code)
    assert "failed The backup needs up to" in said and "Free some space" in said


def test_old_backups_and_the_media_that_only_they_need_are_deleted(home, first):
    code = """
from datetime import timedelta
from django.utils import timezone
from videos.models import Backup, Generation, StoragePolicy
StoragePolicy.objects.update_or_create(pk=1, defaults={"keep_daily": 2, "keep_weekly": 0})
for number, backup in enumerate(Backup.objects.kept()):
    Backup.objects.filter(pk=backup.pk).update(finished_at=timezone.now() - timedelta(days=100 + number))
gone = Generation.objects.get(prompt="one more")
assert gone.trash(gone.member) and gone.purge()
from videos.jobs.sweep import remove_orphaned_files
remove_orphaned_files()
print(gone.sha256)
"""
    gone = home.python(code).split()[-1]
    assert gone in stored(first)
    home.manage("backup")
    home.python('from videos.models import Backup; from datetime import timedelta; b = Backup.objects.kept().first(); '
                "Backup.objects.filter(pk=b.pk).update(finished_at=b.finished_at - timedelta(days=1))")  # fmt: skip
    home.manage("backup")
    kept = [row for row in rows(home) if row["state"] == "done" and not row["removed_at"]]
    assert {row["path"] for row in kept} == {str(path) for path in first.glob("database-*.tar")}
    assert len(kept) == 2 and gone not in stored(first)
    assert "Good: " in home.manage("verify_backup")


def test_the_ticker_makes_backups_by_schedule_and_on_request(tmp_path):
    folder = tmp_path / "backups"
    installation = Installation(tmp_path / "home", LUMAWEB_BACKUP_DIR=str(folder))
    installation.start()
    try:
        wait_for(lambda: list(folder.glob("database-*.tar")))
        wait_for(lambda: rows(installation)[-1]["state"] == "done")
        installation.python(
            "from videos.models import Backup, Member; member = Member.objects.first(); "
            "assert Backup.objects.request(member) and not Backup.objects.request(member); "
            "assert Backup.objects.kept().first().request_verification()"
        )
        wait_for(lambda: len(list(folder.glob("database-*.tar"))) == 2)
        wait_for(lambda: rows(installation)[0]["verified_at"])
        assert rows(installation)[0]["verification_problem"] == ""
    finally:
        installation.stop()


def test_with_a_bucket_only_the_database_is_backed_up(tmp_path):
    server = S3Server(tmp_path / "s3").start()
    try:
        folder = tmp_path / "backups"
        installation = Installation(tmp_path / "home", LUMAWEB_BACKUP_DIR=str(folder), **server.env)
        installation.migrate()
        installation.python(FILL)
        said = installation.manage("backup")
        assert "they are in the bucket" in said and not stored(folder)
        new = Installation(tmp_path / "new", **server.env)
        assert "No videos were restored" in new.manage("restore", str(next(folder.glob("*.tar"))))
        assert "Videos good: 3" in new.manage("verify_media")
    finally:
        server.close()


def wait_for(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


# ── Retention ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_latest_backup_of_each_day_and_week_is_kept():
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    moments = {hours: now - timedelta(hours=hours) for hours in range(0, 24 * 60, 12)}
    kept = sorted(to_keep(moments, daily=7, weekly=4))
    ages = [hours / 24 for hours in kept]
    # Both of the last 24 hours, the latest of the other days, and the Sundays before, of which one is such a day.
    assert ages == [0, 0.5, 1, 2, 3, 4, 5, 6, 13, 20]


def test_backups_from_before_a_long_pause_are_kept():
    now = datetime(2026, 11, 28, tzinfo=UTC)
    moments = {days: now - timedelta(days=days) for days in (0, 300, 301)}
    assert to_keep(moments, daily=7, weekly=4) == {0, 300, 301}
    assert to_keep(moments, daily=1, weekly=0) == {0}


def test_a_damaged_backup_never_takes_the_place_of_an_intact_one():
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    moments = {hours: now - timedelta(hours=hours) for hours in (0, 48, 54, 72, 96)}
    # Of the day before yesterday the later one is damaged; of the day before that the only one.
    assert to_keep(moments, daily=3, weekly=0, damaged={48, 72}) == {0, 54, 96}
    assert to_keep(moments, daily=4, weekly=0, damaged={48, 72}) == {0, 54, 96, 72}
    assert to_keep(moments, daily=3, weekly=0, damaged={0, 48, 72}) == {0, 54, 96}
    assert to_keep({}, daily=1, weekly=1) == set()

"""Backups and restores, also during writes, on failures and when interrupted."""

import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import closing

import pytest

from lumaweb.ops import backup
from lumaweb.ops.backup import creating, postgresql

from ...support import servers
from ...support.backup import run
from ...support.factories import a_generation
from ...support.installation import ROOT, Installation
from ...support.installation_contents import PEOPLE, READ_BACK

WRITE_ON = (
    PEOPLE
    + """
import sys, time
from pathlib import Path
print("writing", flush=True)
number = 0
while not Path(stop).exists():
    film(f"meanwhile {number}")
    number += 1
print(number)
"""
)


def members_of(path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


def test_a_backup_taken_during_writes_is_restored_completely(home, tmp_path):
    stop = tmp_path / "stop"
    writer = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--no-imports", "-v0", "-c", f"stop = {str(stop)!r}\n{WRITE_ON}"],
        cwd=ROOT, env=home.env, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert writer.stdout.readline() == "writing\n"
        said = home.manage("backup", str(tmp_path), "--with-keys")
    finally:
        stop.touch()
        written = int(writer.communicate(timeout=60)[0])
    assert writer.returncode == 0
    assert "The keys ARE in it" in said
    (path,) = tmp_path.glob("lumaweb-*.tar")
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(tmp_path.iterdir()) == [path, stop], "nothing unfinished is left beside it"

    new = Installation(tmp_path / "new")
    said = new.manage("restore", str(path))
    # The row that the writer was creating may be among them.
    assert re.search(r"now held: [23]\..* now unconfirmed: [12]\.", said)
    found = json.loads(new.python(READ_BACK))
    assert found["states"] == {
        "film 0": "completed", "film 1": "completed", "film 2": "completed",
        "sending": "unconfirmed", "running": "processing", "waiting 1": "queued", "waiting 2": "queued",
    }  # fmt: skip
    assert found["held"] == ["waiting 1", "waiting 2"]
    assert found["next"] == [], "nothing is sent without an admin"
    assert ["sending", "unanswered"] in found["events"]
    assert ["waiting 1", "held"] in found["events"]
    # Rows that were claimed at the moment of the snapshot hold no slot either.
    assert found["in_flight"] == 1
    assert (found["queue"], found["hearts"], found["leases"]) == (0, 0, 0)
    assert (found["secret"], found["frame"], found["signs_in"]) == ("sandbox-secret-token", "frame", True)
    assert found["open_doors"] == [0, 0, 0]
    assert found["opened"] == [False] * 3, "links to one video, to several, and to a followed collection"
    assert "All members have to sign in again." in said and "3 share links, 1 invitations." in said
    assert 3 < found["saved"] < 3 + written, "the writer wrote before and after the moment of the backup"
    assert f"Videos good: {found['saved']}, changed: 0, incomplete: 0. Files missing: 0, orphans: 0." in new.manage(
        "verify_media"
    )
    if not servers.there():
        with closing(sqlite3.connect(new.folder / "lumaweb.sqlite3")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert {path.name for path in new.folder.glob("*.before-restore")} == {
            "secret-key.before-restore", "encryption-keys.before-restore",
        }  # fmt: skip
        assert (new.folder / "encryption-keys").stat().st_mode & 0o777 == 0o600
        # The proxy may be in the group.
        assert (new.folder / "lumaweb.sqlite3").stat().st_mode & 0o777 == 0o600
    assert not list(new.folder.glob(".lumaweb-*"))

    again = run(new, "restore", str(path))
    assert (again.returncode, "a restore never replaces any" in again.stderr) == (1, True)


def test_a_restore_without_media_matches_the_existing_media(home, tmp_path):
    path = tmp_path / "database.tar"
    said = home.manage("backup", "--without-media", "--with-keys", str(path))
    assert "The videos are NOT in it" in said
    assert not [name for name in members_of(path) if name.startswith("media/")]
    new = Installation(tmp_path / "new")
    shutil.copytree(home.folder / "media", new.folder / "media")
    assert "No videos were restored" in new.manage("restore", str(path))
    before, after = (json.loads(one.python(READ_BACK)) for one in (home, new))
    assert [after[name] for name in ("saved", "frame", "secret")] == [
        before[name] for name in ("saved", "frame", "secret")
    ]
    # Videos that may have been sent since are held, as after every restore.
    assert (after["held"], after["next"], after["queue"]) == (["waiting 1", "waiting 2"], [], 0)
    assert "Files missing: 0" in new.manage("verify_media")


@pytest.mark.embedded
def test_the_manifest_describes_the_archive(archive):
    members = members_of(archive)
    manifest = json.loads(members.pop("manifest.json"))
    assert next(iter(members)) == "database.sqlite3"
    assert not [name for name in members if name.startswith("keys/")]
    assert manifest["members"] == {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()
    }
    assert (manifest["format"], manifest["database"], manifest["with_keys"]) == (1, "sqlite", False)
    assert "videos.0001_initial" in manifest["migrations"]
    assert manifest["counts"]["members"] == 1
    assert manifest["counts"]["files"] == len(members) - 1
    assert "media/frames/start.jpg" in members


@pytest.mark.embedded
def test_a_restore_without_keys_explains_the_consequences(archive, tmp_path):
    new = Installation(tmp_path / "new")
    done = run(new, "restore", str(archive))
    assert done.returncode == 0, done.stderr
    assert "No keys were in the archive." in done.stdout
    assert "do not decrypt the API tokens Real one" in done.stderr


def test_a_dump_of_a_newer_pg_dump_is_restored_on_an_older_server(tmp_path):
    script = tmp_path / "database.sql"
    script.write_bytes(b"--\n\nSET lock_timeout = 0;\nSET transaction_timeout = 0;\nSET x = 1;\n")
    postgresql.remove_newer_settings(script)
    assert script.read_text().splitlines()[2:] == [
        "SET lock_timeout = 0;",
        "--T transaction_timeout = 0;",
        "SET x = 1;",
    ]


def test_a_backup_reports_missing_files_and_is_written(home, tmp_path):
    names = home.python(f"{PEOPLE}\nprint(film('gone').video_file.name)\nprint(film('other').video_file.name)")
    gone, changed = names.split()
    paths = [home.folder / "media" / name for name in (gone, changed)]
    kept = [path.read_bytes() for path in paths]
    paths[0].unlink()
    paths[1].write_bytes(b"something else")
    done = run(home, "backup", str(tmp_path / "b.tar"))
    for path, whole in zip(paths, kept, strict=True):  # the other tests' home too
        path.write_bytes(whole)
    # The archive is written, but a scheduled run has to report the missing file.
    assert done.returncode == 1 and "Written: " in done.stdout
    assert f"missing: {gone}" in done.stderr
    assert f"changed since it was saved: {changed}" in done.stderr
    new = Installation(tmp_path / "new")
    new.manage("restore", str(tmp_path / "b.tar"))
    said = run(new, "verify_media", "--repair")
    assert said.returncode == 1
    assert f"missing: {gone}" in said.stdout
    assert "To be saved again: 2." in said.stdout


def test_a_backup_never_replaces_a_file(home, archive):
    done = run(home, "backup", str(archive))
    assert (done.returncode, "exists already" in done.stderr) == (1, True)


@pytest.mark.embedded
def test_a_restore_into_a_running_or_a_used_installation_is_refused(archive, tmp_path):
    new = Installation(tmp_path / "new")
    new.migrate()
    new.python("from videos.models import Heartbeat\nHeartbeat.stamp('lumaweb')")
    done = run(new, "restore", str(archive))
    assert (done.returncode, "Stop it first" in done.stderr) == (1, True)
    new.python(
        "from videos.models import Heartbeat, Member\n"
        "Heartbeat.objects.all().delete()\nMember.objects.create(username='x')"
    )
    done = run(new, "restore", str(archive))
    assert (done.returncode, "There are members or videos" in done.stderr) == (1, True)
    assert new.python("from videos.models import Member\nprint(Member.objects.get())") == "x"


def test_a_refused_restore_leaves_nothing_behind(archive, tmp_path):
    damaged = tmp_path / "damaged.tar"
    data = bytearray(archive.read_bytes())
    at = data.index(b"frame", data.index(b"media/frames/start.jpg") + 400)
    data[at] ^= 1
    damaged.write_bytes(data)
    new = Installation(tmp_path / "new")
    done = run(new, "restore", str(damaged))
    assert done.returncode == 1
    assert "media/frames/start.jpg is not what the manifest says" in done.stderr
    assert not [path for path in (new.folder / "media").rglob("*") if path.is_file()]
    assert not list(new.folder.glob(".lumaweb-*"))
    assert run(new, "restore", str(archive)).returncode == 0, "the good one still can be restored"


@pytest.mark.embedded
def test_a_backup_without_a_database_is_refused_with_a_message(tmp_path):
    done = run(Installation(tmp_path / "new"), "backup", str(tmp_path / "b.tar"))
    assert (done.returncode, "There is no database at" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr


def files_in(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def media_and_keys(installation) -> dict[str, bytes]:
    return {
        name: data
        for name, data in files_in(installation.folder).items()
        if name.startswith((".lumaweb", "media", "secret-key", "encryption-keys"))
    }


@pytest.mark.embedded
def test_a_restore_that_fails_late_is_rolled_back(home, tmp_path):
    archive = tmp_path / "keys.tar"
    home.manage("backup", "--with-keys", str(archive))
    new = Installation(tmp_path / "new")
    new.manage("migrate", "-v0")  # makes its own keys
    before = media_and_keys(new)
    assert "secret-key" in before
    # The media and the first key are in place when the second cannot be.
    in_the_way = new.folder / "encryption-keys.before-restore" / "something"
    in_the_way.mkdir(parents=True)
    done = run(new, "restore", str(archive))
    assert (done.returncode, "run it again" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
    assert media_and_keys(new) == before
    in_the_way.rmdir()
    in_the_way.parent.rmdir()
    new.manage("restore", str(archive))
    assert json.loads(new.python(READ_BACK))["signs_in"]
    assert (new.folder / "secret-key").read_bytes() == (home.folder / "secret-key").read_bytes()


@pytest.mark.servers
@pytest.mark.parametrize(
    ("psql", "words"),
    [("echo 'no space left' >&2; exit 3", "psql failed: no space left"),
     ("{psql} \"$@\" && {psql} -c 'DROP TABLE videos_lease'", "make a new, empty one")],
)  # fmt: skip
def test_a_dump_that_cannot_be_loaded_rolls_the_media_back(archive, tmp_path, psql, words):
    new = Installation(tmp_path / "new")
    broken = tmp_path / "bin" / "psql"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\n" + psql.format(psql=shutil.which("psql")))
    broken.chmod(0o755)
    path = new.env["PATH"]
    new.env["PATH"] = f"{broken.parent}:{path}"
    done = run(new, "restore", str(archive))
    assert (done.returncode, words in done.stderr) == (1, True), done.stderr
    assert not media_and_keys(new)
    new.env["PATH"] = path
    if "DROP" in psql:
        new.env["DATABASE_URL"] = servers.a_database()
    new.manage("restore", str(archive))


def test_an_interrupted_backup_removes_its_folder(home, tmp_path):
    """SIGTERM arrives, as from a service manager, while the backup waits for a file."""
    name = home.python(f"{PEOPLE}\nprint(film('slow').video_file.name)")
    path = home.folder / "media" / name
    whole = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    try:
        begun = subprocess.Popen(
            [sys.executable, "manage.py", "backup", str(tmp_path / "b.tar")],
            cwd=ROOT, env=home.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        end = time.monotonic() + 30
        while not any(file.stat().st_size > 10_000 for file in tmp_path.glob(".lumaweb-backup-*/archive.tar")):
            assert time.monotonic() < end and begun.poll() is None
            time.sleep(0.05)
        begun.terminate()
        begun.communicate(timeout=20)
    finally:
        path.unlink()
        path.write_bytes(whole)  # the other tests' home too
    assert begun.returncode == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())


@pytest.mark.django_db
def test_too_many_files_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(creating, "MAX_FILES", 3)
    a_generation(video_file="videos/1.mp4")
    creating._check_file_count()
    a_generation(video_file="videos/2.mp4")
    with pytest.raises(backup.BackupFailed, match=r"6 files.*--without-media"):
        backup.create(tmp_path / "b.tar", with_keys=False)
    assert not list(tmp_path.iterdir())

"""The settings page about storage and backups: what it shows, the rules it sets, and the download of a backup."""

import errno
import socket
import threading
import time
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from lumaweb.ops.backup import scheduled
from lumaweb.ops.backup.folder import TIMEOUT, BackupFolder
from lumaweb.ops.backup.schedule import is_due, last_result
from lumaweb.ops.doctor import backups, quota
from videos.jobs import sweep
from videos.models import (
    AuditEntry,
    Backup,
    Choice,
    Collection,
    Event,
    Frame,
    Generation,
    Share,
    Star,
    StoragePolicy,
)

from ..support.factories import a_generation, a_member, an_admin
from ..support.saved_videos import a_saved_one

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct-horse-9"


@pytest.fixture
def admin(client):
    member = an_admin()
    client.force_login(member)
    return member


def a_sized_one(member, size: int, **settings) -> Generation:
    generation = a_saved_one(member, **settings)
    Generation.objects.filter(pk=generation.pk).update(size_bytes=size)
    generation.refresh_from_db()
    return generation


def audited() -> list[str]:
    return list(AuditEntry.objects.values_list("text", flat=True))


# ── Space ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_sums_videos_and_trash_and_lists_the_largest(client, admin):
    a_sized_one(admin, 3 * 1024**3, prompt="a large one")
    a_sized_one(admin, 1024**3, prompt="a smaller one")
    trashed = a_sized_one(admin, 5 * 1024**3, prompt="a trashed one")
    assert trashed.trash(admin)
    page = client.get("/settings/storage/").content.decode().replace("\xa0", " ")
    assert "4.0 GB" in page and "1 saved video, 5.0 GB" in page
    assert page.index("a large one") < page.index("a smaller one") and "a trashed one" not in page


def test_the_page_reads_no_video_to_sum_the_sizes(client, admin, django_assert_max_num_queries):
    for number in range(12):
        a_sized_one(admin, 1000 + number)
    with CaptureQueriesContext(connection) as queries:
        assert client.get("/settings/storage/").status_code == 200
    assert len(queries) < 30
    if connection.vendor == "sqlite":
        (sums,) = [query["sql"] for query in queries if "SUM" in query["sql"] and "videos_generation" in query["sql"]]
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sums}")
            assert "USING COVERING INDEX generation_sizes" in str(cursor.fetchall())


def test_a_quota_warns_and_stops_nothing(client, admin):
    client.post("/settings/storage/limits/", {"trash_days": "30", "quota_bytes": "2"})
    assert StoragePolicy.current().quota_bytes == 2 * 1024**3
    assert "% of the quota" not in client.get("/settings/storage/").content.decode()
    a_sized_one(admin, 3 * 1024**3)
    assert "New videos are still saved" in client.get("/settings/storage/").content.decode()
    assert [finding.title for finding in quota.quota()] == ["Videos exceed the quota"]
    assert a_saved_one(admin).is_saved
    assert "Storage: the quota is now 2.0\xa0GB." in audited()


def test_a_quota_with_decimals_is_shown_as_it_was_entered(client, admin):
    client.post("/settings/storage/limits/", {"trash_days": "30", "quota_bytes": "2.6"})
    assert 'value="2.6"' in client.get("/settings/storage/").content.decode()
    client.post("/settings/storage/limits/", {"trash_days": "30", "quota_bytes": "2.6"})
    assert len([text for text in audited() if "quota" in text]) == 1


@pytest.mark.parametrize("days", ["0", "-1", "", "x", "4000", "1.5"])
def test_days_that_cannot_be_meant_are_refused_beside_the_field(client, admin, days):
    response = client.post("/settings/storage/limits/", {"trash_days": days, "quota_bytes": ""})
    assert response.status_code == 422 and 'aria-invalid="true"' in response.content.decode()
    assert StoragePolicy.current().trash_days == 30


def test_fewer_days_in_the_trash_ask_before_they_delete_at_once(client, admin):
    old = a_saved_one(admin)
    assert old.trash(admin)
    Generation.objects.update(trashed_at=timezone.now() - timedelta(days=10))
    response = client.post("/settings/storage/limits/", {"trash_days": "7"})
    assert response.status_code == 422 and "Delete 1 video permanently now" in response.content.decode()
    sweep.empty_trash()
    assert not Generation.objects.get().purged_at
    client.post("/settings/storage/limits/", {"trash_days": "7", "confirm": "on"})
    assert "7 days" in client.get("/trash/").content.decode()
    sweep.empty_trash()
    assert Generation.objects.get().purged_at


# ── Rejected videos ───────────────────────────────────────────────────────────────────────────────────────────


def rejected(member, days: int, **settings) -> Generation:
    generation = a_saved_one(member, **settings)
    assert generation.choose(Choice.REJECTED, member)
    Event.objects.filter(generation=generation, kind="rejected").update(at=timezone.now() - timedelta(days=days))
    return generation


@pytest.fixture
def old_rejects(admin):
    """Videos that were rejected 40 days ago; the name says what keeps them."""
    names = ("unused", "starred", "shared", "collected", "extended", "framed", "not rejected", "rejected again")
    rows = {name: rejected(admin, 40, prompt=name) for name in names}
    rows["recent"] = rejected(admin, 3, prompt="recent")
    Star.add(a_member("ben"), [rows["starred"]])
    assert Share.objects.create_for(rows["shared"], admin, days=7, chain=False, with_prompt=False)
    Collection.objects.named("Kept", admin)[0].add([rows["collected"]], admin)
    a_generation(admin, action="extend", parent=rows["extended"])
    Frame.objects.create(
        sha256="f" * 64, file="frames/f.jpg", width=1, height=1, size_bytes=5, member=admin, source=rows["framed"]
    )
    assert rows["not rejected"].choose(Choice.NONE, admin)
    assert rows["rejected again"].choose(Choice.NONE, admin)
    assert rows["rejected again"].choose(Choice.REJECTED, admin)
    return rows


def test_the_rule_moves_only_unused_videos_and_the_preview_shows_them(client, admin, old_rejects):
    page = client.post("/settings/storage/rejected/", {"rejected_days": "30", "preview": "1"}).content.decode()
    assert "1 video would move now" in page and ">unused<" in page and ">recent<" not in page
    sweep.trash_rejected()
    assert not Generation.objects.filter(trashed_at__isnull=False).exists(), "a preview saves nothing"

    client.post("/settings/storage/rejected/", {"rejected_days": "30"})
    sweep.trash_rejected()
    assert [row.prompt for row in Generation.objects.filter(trashed_at__isnull=False)] == ["unused"]
    assert "Moved 1 video to the trash by the storage rule: rejected more than 30 days ago." in audited()
    assert old_rejects["unused"].events.filter(kind="trashed", member=None).exists()
    assert "unused" in client.get("/trash/").content.decode()


def test_the_rule_is_off_by_default_and_can_be_turned_off(client, admin, old_rejects):
    sweep.trash_rejected()
    client.post("/settings/storage/rejected/", {"rejected_days": "30"})
    client.post("/settings/storage/rejected/", {"rejected_days": ""})
    sweep.trash_rejected()
    assert not Generation.objects.filter(trashed_at__isnull=False).exists()


def test_the_rule_is_applied_once_an_hour(admin, old_rejects):
    StoragePolicy.objects.create(pk=1, rejected_days=30)
    sweep.trash_rejected()
    late = rejected(admin, 40, prompt="late")
    sweep.trash_rejected()
    late.refresh_from_db()
    assert not late.trashed_at
    StoragePolicy.objects.update(rejected_checked_at=timezone.now() - timedelta(hours=2))
    sweep.trash_rejected()
    late.refresh_from_db()
    assert late.trashed_at


def test_many_rejected_videos_move_without_waiting_an_hour(admin, old_rejects, monkeypatch):
    monkeypatch.setattr(sweep, "MAX_ROWS", 1)
    rejected(admin, 40, prompt="one more")
    StoragePolicy.objects.create(pk=1, rejected_days=30)
    for _ in range(3):
        sweep.trash_rejected()
    assert Generation.objects.filter(trashed_at__isnull=False).count() == 2


def test_a_video_that_is_starred_at_the_last_moment_stays(admin, old_rejects):
    before = timezone.now() - timedelta(days=30)
    (found,) = Generation.objects.disposable(before)
    Star.add(admin, [found])
    assert not found.trash_rejected(before)


# ── Backups ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def backup_dir(settings, tmp_path):
    settings.BACKUP_DIR = tmp_path / "backups"
    return settings.BACKUP_DIR


def test_without_a_folder_the_page_says_how_to_get_backups(client, admin):
    assert "LUMAWEB_BACKUP_DIR" in client.get("/settings/storage/").content.decode()
    assert last_result() is None
    client.post("/settings/storage/backups/")
    assert not Backup.objects.exists()


def test_a_backup_is_requested_made_and_downloaded_with_the_password(client, admin, backup_dir):
    admin.set_password(PASSWORD)
    admin.save()
    client.force_login(admin)
    client.post("/settings/storage/backups/")
    assert "Backup requested" in client.get("/settings/storage/").content.decode()
    assert is_due(timezone.now())
    made = scheduled.back_up(backup_dir)
    assert made.state == "done" and made.requested_by == admin
    page = client.get("/settings/storage/").content.decode()
    assert "Backed up today" in page and "by root" in page and "The backups are on the same disk" in page

    url = f"/settings/storage/backups/{made.pk}/download/"
    assert "encryption keys are not in it" in client.get(url).content.decode()
    refused = client.post(url, {"password": "wrong"})
    assert refused.status_code == 422 and "This is not your password." in refused.content.decode()
    assert not [text for text in audited() if text.startswith("Downloaded")]
    response = client.post(url, {"password": PASSWORD})
    assert b"".join(response.streaming_content) == Path(made.path).read_bytes()
    assert made.name in response.headers["Content-Disposition"] and "no-store" in response.headers["Cache-Control"]
    assert f"Downloaded the backup {made.name}." in audited()


def test_a_backup_folder_that_hangs_holds_up_no_page(client, admin, backup_dir, settings, monkeypatch):
    made = scheduled.back_up(backup_dir)
    admin.set_password(PASSWORD)
    admin.save()
    client.force_login(admin)
    download = f"/settings/storage/backups/{made.pk}/download/"
    assert f'href="{download}"' in client.get("/settings/storage/").content.decode()
    settings.METRICS_TOKEN = "t" * 20
    server_is_back = threading.Event()
    monkeypatch.setattr(BackupFolder, "archives", lambda folder: server_is_back.wait(60) and [])
    try:
        started = time.monotonic()
        page = client.get("/settings/storage/").content.decode()
        assert "cannot be read: no answer within 2 s" in page and f'href="{download}"' not in page
        assert client.post(download, {"password": PASSWORD}).status_code == 302
        assert [finding.code for finding in backups.backups()] == ["backup-folder"]
        waited = time.monotonic() - started
        assert waited < 4 * TIMEOUT, "each waits once"
        headers = {"Authorization": f"Bearer {settings.METRICS_TOKEN}"}
        assert b"lumaweb_backup_failures 0.0" in client.get("/metrics", headers=headers).content
        assert time.monotonic() - started - waited < TIMEOUT, "metrics do not read the folder"
    finally:
        server_is_back.set()


def test_an_admin_without_a_password_reads_how_to_get_a_backup_on_the_server(client, admin, backup_dir):
    made = scheduled.back_up(backup_dir)
    admin.set_unusable_password()
    admin.save()
    client.force_login(admin)
    url = f"/settings/storage/backups/{made.pk}/download/"
    page = client.get(url).content.decode()
    assert "manage.py backup FOLDER" in page and made.path in page and 'type="password"' not in page
    for password in ("", "!", admin.password):
        assert client.post(url, {"password": password}).status_code == 403
    assert not [text for text in audited() if text.startswith("Downloaded")]


def test_guessing_the_password_of_a_download_is_locked_out(client, admin, backup_dir):
    made = scheduled.back_up(backup_dir)
    url = f"/settings/storage/backups/{made.pk}/download/"
    admin.set_password(PASSWORD)
    admin.save()
    client.force_login(admin)
    answers = [client.post(url, {"password": f"wrong {number}"}).status_code for number in range(6)]
    assert answers[0] == 422 and answers[-1] == 429
    assert client.post(url, {"password": PASSWORD}).status_code == 429


def test_a_failure_is_shown_and_mailed_once_until_a_backup_succeeds(client, admin, backup_dir, settings, mailoutbox):
    settings.CAN_MAIL = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    admin.email = "root@example.com"
    admin.save()
    backup_dir.write_text("a file in place of the folder")
    for _ in range(2):
        assert scheduled.back_up(backup_dir).state == "failed"
    (mail,) = mailoutbox
    assert mail.to == ["root@example.com"] and "backup failed" in mail.subject
    page = client.get("/settings/storage/").content.decode()
    assert "The last backup failed" in page and "2 in a row failed" in page
    assert last_result().failures == 2 and not is_due(timezone.now()), "the next try is in an hour"
    assert is_due(timezone.now() + timedelta(minutes=61))

    backup_dir.unlink()
    assert scheduled.back_up(backup_dir).state == "done"
    assert last_result().failures == 0 and last_result().error == ""
    scheduled.remove_old(scheduled.BackupFolder(backup_dir), StoragePolicy())
    (backup_dir / "media").rename(backup_dir / "moved")
    assert scheduled.back_up(backup_dir).state == "failed"
    assert len(mailoutbox) == 2, "a new streak"


def test_a_verification_is_requested_and_its_problem_is_shown(client, admin, backup_dir):
    lost = a_saved_one(admin, prompt="lost")
    lost.video_file.delete(save=False)
    a_saved_one(admin)
    made = scheduled.back_up(backup_dir)
    assert made.remark_count == 2 and "missing: videos/" in made.remarks and "changed since" in made.remarks
    assert "2 files could not be backed up" in client.get("/settings/storage/").content.decode()
    assert "backup-incomplete" in [finding.code for finding in backups.backups()]
    stored = next(backup_dir.glob("media/??/*"))
    stored.write_bytes(bytes(stored.stat().st_size))
    client.post(f"/settings/storage/backups/{made.pk}/verification/")
    assert "being verified" in client.get("/settings/storage/").content.decode()
    scheduled.verify_requested(backup_dir)
    assert "was changed or damaged in the store" in client.get("/settings/storage/").content.decode()
    assert "damaged" in last_result().verification_problem


def test_a_verification_that_cannot_run_says_nothing_about_the_backup(client, admin, backup_dir, monkeypatch):
    made = scheduled.back_up(backup_dir)
    verify = f"/settings/storage/backups/{made.pk}/verification/"
    elsewhere = backup_dir.with_name("the disk of another machine")
    backup_dir.rename(elsewhere)
    client.post(verify)
    assert scheduled.verify_requested(backup_dir) == 0
    elsewhere.rename(backup_dir)
    client.post(verify)
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(scheduled, "verify", Mock(side_effect=full))
        scheduled.verify_requested(backup_dir)
    made.refresh_from_db()
    assert not made.is_verifying and not made.verified_at and not made.verification_problem
    why = [text.partition(" was not verified: ")[2] for text in audited()]
    assert {f"its archive is not on {socket.gethostname()}.", "No space left on device."} <= set(why)

    client.post(verify)
    monkeypatch.setattr(scheduled, "verify", Mock(side_effect=OSError(errno.EIO, "Input/output error")))
    scheduled.verify_requested(backup_dir)
    assert last_result().verification_problem == "It could not be read: Input/output error."


def test_the_schedule_follows_the_teams_time_zone(client, admin, backup_dir, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    client.post("/settings/storage/schedule/", {"backup_at": "03:00", "keep_daily": "7", "keep_weekly": "4"})
    scheduled.back_up(backup_dir)
    now = timezone.now()
    assert not is_due(now)
    Backup.objects.update(started_at=now - timedelta(days=1, seconds=1))
    assert is_due(now)


def test_metrics_report_backups_and_sizes(client, admin, backup_dir, settings):
    settings.METRICS_TOKEN = "t" * 20
    a_sized_one(admin, 1000)
    made = scheduled.back_up(backup_dir)
    text = client.get("/metrics", headers={"Authorization": f"Bearer {settings.METRICS_TOKEN}"}).content.decode()
    assert f'lumaweb_backup_size_bytes{{part="database"}} {float(made.archive_bytes)}' in text.replace("e+", "e+")
    assert 'lumaweb_media_bytes{kind="videos"} 1000.0' in text
    assert "lumaweb_backup_failures 0.0" in text and "lumaweb_backup_last_success_timestamp_seconds " in text

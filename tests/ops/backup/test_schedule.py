"""The step of the ticker that starts scheduled backups."""

import sys
import threading
import time

import pytest

from lumaweb.deadline import TimedOut
from lumaweb.ops.backup.folder import TIMEOUT, BackupFolder
from lumaweb.ops.backup.schedule import BackupSchedule
from videos.models import AuditEntry, Backup


@pytest.mark.django_db(transaction=True)
def test_a_folder_that_hangs_does_not_hold_up_the_ticker(settings, monkeypatch, tmp_path):
    settings.BACKUP_DIR = tmp_path
    server_is_back = threading.Event()
    monkeypatch.setattr(BackupFolder, "is_locked", lambda folder: server_is_back.wait(30))
    schedule, started = BackupSchedule(), time.monotonic()
    try:
        for _ in range(2):
            with pytest.raises(TimedOut):
                schedule.run()
        assert time.monotonic() - started < 4 * TIMEOUT
        assert not Backup.objects.exists()
    finally:
        server_is_back.set()


@pytest.mark.django_db(transaction=True)
def test_a_verification_that_is_killed_does_not_mark_the_backup_as_damaged(settings, monkeypatch, tmp_path):
    settings.BACKUP_DIR = tmp_path
    backup = Backup.objects.begin()
    backup.succeed(path=str(tmp_path / "database-now.tar"), remarks=[])
    assert backup.request_verification()
    schedule = BackupSchedule()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    schedule.run()
    deadline = time.monotonic() + 10
    while not AuditEntry.objects.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
        schedule.run()
    backup.refresh_from_db()
    assert not backup.is_verifying and not backup.verified_at and not backup.verification_problem
    assert "was not verified: its process ended with status 1" in AuditEntry.objects.get().text

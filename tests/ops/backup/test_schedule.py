"""The step of the ticker that starts scheduled backups."""

import threading
import time

import pytest

from lumaweb.deadline import TimedOut
from lumaweb.ops.backup.folder import TIMEOUT, BackupFolder
from lumaweb.ops.backup.schedule import BackupSchedule
from videos.models import Backup


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

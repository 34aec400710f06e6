"""The doctor on the scheduled backups."""

from datetime import timedelta

import pytest
from django.utils import timezone

from lumaweb.ops.doctor.backups import backups
from videos.models import Backup

from ...support.doctor import said_by

pytestmark = pytest.mark.django_db


def test_an_installation_without_scheduled_backups_is_not_faulty(settings):
    settings.BACKUP_DIR = None
    assert said_by(backups).startswith("skip: No backups are scheduled: set LUMAWEB_BACKUP_DIR")


def test_a_backup_that_is_too_old_is_reported_with_the_reason(settings, tmp_path):
    settings.BACKUP_DIR = tmp_path
    two_days_ago = timezone.now() - timedelta(days=2)
    backup = Backup.objects.begin()
    Backup.objects.filter(pk=backup.pk).update(
        state="done", requested_at=two_days_ago, started_at=two_days_ago, finished_at=two_days_ago
    )
    assert "fail: The last one is of " in said_by(backups) and "one is made each day" in said_by(backups)
    Backup.objects.begin().fail("The disk is full.")
    assert "The latest attempt failed: The disk is full. " in said_by(backups)


def test_a_failure_after_a_recent_backup_is_a_warning(settings, tmp_path):
    settings.BACKUP_DIR = tmp_path
    now = timezone.now()
    backup = Backup.objects.begin()
    Backup.objects.filter(pk=backup.pk).update(state="done", started_at=now, finished_at=now)
    assert "fail: " not in said_by(backups)
    Backup.objects.begin().fail("No space.")
    assert "warn: The last one is of " in said_by(backups)

"""Deployments of another version: concurrent migrations, and a rollback."""

import subprocess
import sys

from ..support.installation import ROOT, Installation


def test_concurrent_migrations_create_the_tables_once(tmp_path):
    installation = Installation(tmp_path / "data")
    together = [
        subprocess.Popen(
            [sys.executable, "manage.py", "migrate", "-v0"],
            cwd=ROOT, env=installation.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for process in together:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said


def test_a_version_can_be_rolled_back_and_deployed_again(tmp_path):
    """Follow deploy/README.md: undo the newest migrations and apply them again, with rows in the tables."""
    installation = Installation(tmp_path / "data")
    installation.manage("migrate", "-v0")
    installation.add_member("grace")
    newest = sorted(path.stem for path in (ROOT / "videos/migrations").glob("0*.py"))[-1]
    # Migrating back before 0007 drops the budgets and their sums.
    installation.manage("migrate", "videos", "0007", "-v0")
    assert f"[ ] {newest}" in installation.manage("showmigrations", "videos")
    installation.manage("migrate", "-v0")
    count = installation.python("from videos.models import Member\nprint(Member.objects.count())")
    assert (count, "[ ]" in installation.manage("showmigrations", "videos")) == ("1", False)

"""The doctor names a full disk, which is a real one in a mount namespace. As root, on Linux."""

import json
import shlex
import subprocess
import sys

import pytest

from ..support.installation import ROOT, Installation

pytestmark = pytest.mark.servers

MOUNT = 'mount -t tmpfs -o size=32k tmpfs "$1" && shift && exec "$@"'


def test_a_full_disk_is_the_finding_of_the_disk_and_of_the_storage(tmp_path):
    site = Installation(tmp_path / "site")
    site.migrate()
    media = site.folder / "media"
    media.mkdir(mode=0o750)
    command = [sys.executable, "manage.py", "doctor", "--offline", "--json"]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", MOUNT, "sh", str(media), *command],
        cwd=ROOT, env=site.env, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1 and not done.stderr, shlex.join(command) + done.stderr
    full = [finding for finding in json.loads(done.stdout)["findings"] if finding["code"] == "disk-full"]
    assert [finding["look"] for finding in full] == ["disk space", "storage"]
    assert "Only 0.0 GB are free for media" in full[0]["words"] and "Empty the trash" in full[0]["mend"]
    assert full[1]["words"] == "A file in the media folder could not be written: No space left on device."

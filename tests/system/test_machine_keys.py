"""Two machines with one database: the doctor names the one that was given another secret key."""

import json
import subprocess
import sys

import pytest

from ..support import servers
from ..support.installation import ROOT, Installation

pytestmark = pytest.mark.servers


def test_a_wrong_secret_key_on_one_of_two_machines_is_named(tmp_path):
    shared = servers.both()
    first, second = Installation(tmp_path / "a", **shared), Installation(tmp_path / "b", **shared)
    second.env["LUMAWEB_SECRET_KEY"] = "pasted-into-the-wrong-file-but-long-enough-0123456789"
    try:
        first.start(only=("web",))
        second.start(only=("web",))
        for machine in (first, second):
            done = subprocess.run(
                [sys.executable, "manage.py", "doctor", "--offline", "--json"],
                cwd=ROOT, env=machine.env, capture_output=True, text=True, timeout=120,
            )  # fmt: skip
            [found] = [one for one in json.loads(done.stdout)["findings"] if one["code"] == "secret-key-differs"]
            assert found["level"] == "fail" and "Set LUMAWEB_SECRET_KEY to the same value" in found["mend"]
            assert not any(one.env["LUMAWEB_SECRET_KEY"] in done.stdout for one in (first, second))
    finally:
        first.stop()
        second.stop()
    assert first.python("from videos.models import Machine\nprint(Machine.objects.count())") == "0", "they sign off"

"""A short chaos run: the same requirements as the long one, without faults that take long to overcome."""

import json
import os
import subprocess
import sys

from ..support import servers
from ..support.installation import ROOT


def test_nothing_is_paid_twice_or_lost_whatever_is_killed():
    options = ["--generations", "40", "--kills", "6", "--minutes", "0.75", "--gentle", "--rounds", "1"]
    # Its own database and queue, because it needs an empty queue.
    env = os.environ | (servers.both() if servers.there() else {})
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *options], cwd=ROOT, env=env, capture_output=True, text=True, timeout=420
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["generations"] == 40
    assert figures["kills"] == 6
    assert figures["kills_during_post"] >= 1
    violations = ("paid_twice", "lost", "stuck", "unsaved", "wrong_bytes", "unconfirmed_unexplained", "slots_wrong")
    assert {name: figures[name] for name in violations} == dict.fromkeys(violations, 0)

"""Run a command of an installation."""

import subprocess
import sys

from .installation import ROOT, Installation


def run(installation: Installation, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT, env=installation.env, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

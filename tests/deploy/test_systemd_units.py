"""The systemd units: readable, sandboxed, limited."""

import re
import subprocess
import sys

import pytest

from lumaweb.supervisor.program import Timing
from videos.media.decoding import client as decoding

from ..support.debian import program
from ..support.deployment import DEPLOY, IDLE, PROGRAM, PROGRAM_PYTHON, in_bytes, replaced, servers

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def test_every_unit_has_limits_of_memory_and_tasks_with_room_for_decoding():
    for unit in UNITS:
        text = unit.read_text()
        high, most = (in_bytes(re.search(rf"^Memory{which}=(\w+)$", text, re.M)[1]) for which in ("High", "Max"))
        assert 64 <= int(re.search(r"^TasksMax=(\d+)$", text, re.M)[1]) <= 256, unit.name
        part = unit.stem.removeprefix("lumaweb-").rstrip("@")
        assert high < most
        if part in IDLE:
            assert high > IDLE[part] + (0 if part == "ticker" else decoding.MEMORY_ALONE), unit.name
        if part in IDLE and part != "ticker":
            # Otherwise systemd stops the whole unit when the kernel kills one of its processes.
            assert "OOMPolicy=continue" in text, unit.name


@servers
def test_systemd_can_read_every_unit(tmp_path):
    """Only the folder of the program is replaced, which does not exist here."""
    files = []
    for unit in UNITS:
        files.append(tmp_path / unit.name)
        files[-1].write_text(
            replaced(unit.read_text(), (PROGRAM_PYTHON, sys.executable), (f"{PROGRAM}/deploy", str(DEPLOY)))
        )
    done = subprocess.run(
        [program("systemd-analyze"), "verify", "--man=no", *map(str, files)], capture_output=True, text=True, timeout=60
    )
    ours = [line for line in done.stderr.splitlines() if "lumaweb" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@servers
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_every_unit_is_sandboxed(unit):
    """`systemd-analyze security` rates from 10 (exposed) to 0; system services begin at about 9."""
    done = subprocess.run(
        [program("systemd-analyze"), "security", "--offline=true", "--threshold=20", "--no-pager", str(unit)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-300:]


def test_the_units_stop_timeout_exceeds_the_supervisor_s():
    timing = Timing()
    longest = timing.stop_timeout + 3 * timing.last_stop_timeout
    for unit in UNITS:
        text = unit.read_text()
        if "Type=oneshot" not in text:
            assert float(re.search(r"TimeoutStopSec=(\d+)", text).group(1)) > longest, unit.name
            assert "KillMode=mixed" in text and "Restart=always" in text, unit.name


def test_separate_processes_refuse_sqlite_with_a_message():
    for unit in UNITS:
        found = re.findall(r"^ExecStartPre=/bin/sh -c '(.*DATABASE_URL.*)'$", unit.read_text(), re.MULTILINE)
        assert bool(found) == (unit.name != "lumaweb.service"), unit.name
        for script in found:
            command = ["/bin/sh", "-c", script.replace("$$", "$")]
            refused = subprocess.run(command, env={}, capture_output=True, text=True)
            assert refused.returncode == 1 and "use lumaweb.service" in refused.stdout
            assert subprocess.run(command, env={"DATABASE_URL": "postgres://x/y"}).returncode == 0

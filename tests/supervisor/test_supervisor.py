"""The supervisor with real processes: each test runs one as a program with small children."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lumaweb.supervisor.child import Child
from lumaweb.supervisor.output import NonBlockingWriter
from lumaweb.supervisor.program import Program

from ..support.processes import children_of, is_alive, wait_until

ROOT = Path(__file__).resolve().parents[2]

# Children say "<role> <pid>", so that the tests know whom to look for.
PRELUDE = """
import os, signal, sys, time
from lumaweb.supervisor.program import Program, Timing
from lumaweb.supervisor.supervisor import Supervisor

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the tests are run by nohup

START = '''
import os, signal, subprocess, sys, time
say = lambda role: print(role, os.getpid(), flush=True)
deaf = lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)
'''

def python(code, *args):
    return [sys.executable, "-I", "-S", "-c", START + code, *args]

OBEDIENT = "say('obedient'); time.sleep(60)"
STUBBORN = "deaf(); say('stubborn'); time.sleep(60)"
GRANDCHILD = "deaf(); say('grandchild'); time.sleep(60)"

def parent(then):
    code = "subprocess.Popen(sys.argv[1:]); time.sleep(0.3); say('leader'); " + then
    return python(code, *python(GRANDCHILD))

timing = Timing(stop_timeout=1.0, last_stop_timeout=0.5, first_restart_delay=0.05, max_restart_delay=0.4,
                probe_interval=0.05, startup_probe_interval=0.05, heartbeat_timeout=0.6, waiting_message_interval=0.3)
"""


class Running:
    """A running supervisor and its output so far."""

    def __init__(self, code: str, log: Path) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PRELUDE + code],
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def pids(self, role: str) -> list[int]:
        return [int(pid) for pid in re.findall(rf"\| {role} (\d+)$", self.said, re.MULTILINE)]

    def wait_for(self, pattern: str, times: int = 1) -> None:
        wait_until(
            lambda: len(re.findall(pattern, self.said, re.MULTILINE)) >= times,
            lambda: f"{pattern} in\n{self.said}",
        )

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=10)

    def everybody(self) -> list[int]:
        return [int(pid) for pid in re.findall(r"\| (?:obedient|stubborn|leader|grandchild) (\d+)$", self.said, re.M)]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator:
    started: list[Running] = []

    def start(code: str) -> Running:
        started.append(Running(code, tmp_path / f"log-{len(started)}"))
        return started[-1]

    yield start
    for running in started:
        running.process.kill()
        running.process.wait()
        for pid in running.everybody():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_every_process(supervise, number):
    running = supervise("""
sys.exit(Supervisor([Program("one", python(OBEDIENT)), Program("two", python(OBEDIENT))], timing=timing).run())
""")
    running.wait_for(r"\| obedient \d+", times=2)
    family = children_of(running.process.pid)
    assert len(family) == 3, "two children and the reaper"
    began = time.monotonic()
    assert running.stop(number) == 0
    assert time.monotonic() - began < 0.9, "nobody had to be waited for"
    assert not [pid for pid in family if is_alive(pid)]
    assert running.said.endswith("stopped\n")


def test_a_stubborn_child_is_killed_with_its_group(supervise):
    running = supervise("""
programs = [Program("one", python(STUBBORN)), Program("two", parent("time.sleep(60)"))]
sys.exit(Supervisor(programs, timing=timing).run())
""")
    running.wait_for(r"\| (stubborn|leader|grandchild) \d+", times=3)
    assert running.stop() == 0
    assert not [pid for pid in running.everybody() if is_alive(pid)]


def test_a_second_signal_stops_at_once(supervise):
    running = supervise("""
sys.exit(Supervisor([Program("one", python(STUBBORN))], timing=Timing(stop_timeout=30)).run())
""")
    running.wait_for(r"\| stubborn \d+")
    running.process.terminate()
    running.wait_for(r"stopping$")
    assert running.stop() == 0
    assert not [pid for pid in running.everybody() if is_alive(pid)]


def test_the_last_process_to_exit_is_reported_last(supervise):
    running = supervise("""
SLOW = '''
def leave(*_):
    time.sleep(0.4); os.write(1, b"worker left\\\\n"); os._exit(0)
signal.signal(signal.SIGTERM, leave); say("obedient")
while True: time.sleep(1)
'''
LAST = '''
def leave(*_):
    os.write(1, b"provider left\\\\n"); os._exit(0)
signal.signal(signal.SIGTERM, leave); say("obedient")
while True: time.sleep(1)
'''
programs = [Program("provider", python(LAST), outlives_others=True), Program("worker", python(SLOW))]
sys.exit(Supervisor(programs, timing=timing).run())
""")
    running.wait_for(r"\| obedient \d+", times=2)
    assert running.stop() == 0
    assert re.search(r"worker left$.*provider left$", running.said, re.MULTILINE | re.DOTALL)


def test_every_exit_is_followed_by_a_restart_with_backoff(supervise):
    running = supervise("""
sys.exit(Supervisor([Program("one", python("say('obedient')"))], timing=timing).run())
""")
    running.wait_for(r"one ended with status 0", times=5)
    waits = [float(wait) for wait in re.findall(r"one ended with status 0; restarting it in ([\d.]+) s", running.said)]
    assert waits[0] <= 0.1 < waits[3] <= 0.4, waits
    assert len(set(running.pids("obedient"))) >= 5
    assert running.stop() == 0


def test_a_killed_child_is_restarted_and_one_that_cannot_start_stops_nothing(supervise):
    running = supervise("""
programs = [Program("none", ["/nowhere/to/be/found"]), Program("one", python(OBEDIENT))]
sys.exit(Supervisor(programs, timing=timing).run())
""")
    running.wait_for(r"none cannot be started", times=2)
    running.wait_for(r"\| obedient \d+")
    os.kill(running.pids("obedient")[0], signal.SIGKILL)
    running.wait_for(r"one was ended by SIGKILL")
    running.wait_for(r"\| obedient \d+", times=2)
    assert running.stop() == 0


def test_the_process_group_of_a_dead_leader_is_killed_before_the_restart(supervise):
    running = supervise("""
program = Program("one", parent("pass"))
sys.exit(Supervisor([program], timing=timing).run())
""")
    running.wait_for(r"\| leader \d+", times=2)
    first, *_ = running.pids("grandchild")
    assert not is_alive(first)
    assert running.stop() == 0
    assert not [pid for pid in running.everybody() if is_alive(pid)]


def test_a_killed_supervisor_takes_its_children_with_it(supervise):
    running = supervise("""
programs = [Program("one", python(OBEDIENT)), Program("two", parent("time.sleep(60)"))]
sys.exit(Supervisor(programs, timing=timing).run())
""")
    running.wait_for(r"\| (obedient|leader|grandchild) \d+", times=3)
    family = [*running.everybody(), *children_of(running.process.pid)]
    os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait()
    wait_until(lambda: not is_alive(running.pids("obedient")[0]), lambda: "the end of who listens", seconds=2)
    # The one that does not listen is killed when the reaper's timeout is over.
    wait_until(lambda: not [pid for pid in family if is_alive(pid)], lambda: "the end of everybody", seconds=10)


def test_a_killed_reaper_is_replaced_and_knows_all_children(supervise):
    running = supervise("""
sys.exit(Supervisor([Program("one", python(OBEDIENT))], timing=timing).run())
""")
    running.wait_for(r"\| obedient \d+")
    child = running.pids("obedient")[0]
    wait_until(lambda: len(children_of(running.process.pid)) == 2, lambda: "the reaper")
    (first,) = set(children_of(running.process.pid)) - {child}
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: set(children_of(running.process.pid)) - {child, first}, lambda: "the next reaper")
    running.process.kill()
    running.process.wait()
    wait_until(lambda: not is_alive(child), lambda: "the end of the child")


def test_a_stop_that_cannot_be_announced_still_stops(supervise):
    running = supervise("""
def announce():
    raise OSError(28, "No space left on device")

Supervisor([Program("one", python(OBEDIENT))], timing=timing, on_stop=announce).run()
""")
    running.wait_for(r"obedient \d+$")
    [pid] = running.pids("obedient")
    assert running.stop() == 0
    assert not is_alive(pid)
    assert "stopping without notice to the workers: [Errno 28] No space left on device" in running.said


def test_only_a_program_with_a_stale_heartbeat_is_killed(supervise, tmp_path):
    running = supervise(f"""
import pathlib
beats = pathlib.Path({str(tmp_path / "beats")!r})
beats.write_text("from an earlier run")
BEATING = '''
deaf(); say("stubborn")
for beat in range(8 if sys.argv[2] == "stuck" else 10**6):
    open(sys.argv[1], "a").write("."); time.sleep(0.1)
time.sleep(60)
'''
well = pathlib.Path(str(beats) + "-well")
well.write_text("")
programs = [
    Program("stuck", python(BEATING, str(beats), "stuck"), heartbeat=lambda: beats.stat().st_size),
    Program("well", python(BEATING, str(well), "well"), heartbeat=lambda: well.stat().st_size),
]
sys.exit(Supervisor(programs, timing=timing, ready_line="ready now").run())
""")
    running.wait_for(r"^ready now$")
    running.wait_for(r"stuck has had no heartbeat")
    running.wait_for(r"stuck was ended by SIGKILL")
    running.wait_for(r"stuck +\| stubborn \d+", times=2)
    assert "well has had no heartbeat" not in running.said
    assert running.said.count("ready now") == 1


def test_an_unreadable_heartbeat_kills_nothing_and_is_logged_once(supervise):
    running = supervise("""
def heartbeat():
    raise OSError("the database is away")
program = Program("one", python(OBEDIENT), heartbeat=heartbeat)
sys.exit(Supervisor([program], timing=timing, ready_line="ready now").run())
""")
    running.wait_for(r"still waiting for one", times=4)
    assert running.said.count("cannot read the heartbeat of one: the database is away") == 1
    assert "no heartbeat" not in running.said
    assert "ready now" not in running.said
    assert running.stop() == 0


def test_ready_is_printed_once_the_server_answers(supervise):
    running = supervise("""
began = time.monotonic()
sys.exit(Supervisor([Program("one", python(OBEDIENT))], timing=timing, ready_line="ready now",
                    responds=lambda: time.monotonic() - began > 0.5).run())
""")
    running.wait_for(r"^serve \| still waiting for a response$")
    assert "ready now" not in running.said
    running.wait_for(r"^ready now$")
    assert running.stop() == 0


def test_a_blocked_reader_of_the_output_delays_nothing(tmp_path):
    code = (
        PRELUDE
        + """
TALKER = "say('obedient')\\nwhile True: print('x' * 1000)"
sys.exit(Supervisor([Program("one", python(TALKER))], timing=timing).run())
"""
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"obedient" in process.stdout.readline()
        wait_until(lambda: len(children_of(process.pid)) == 2)
        family = children_of(process.pid)
        time.sleep(0.5)
        process.terminate()
        wait_until(lambda: process.poll() is not None, seconds=5)
        assert process.returncode == 0
    assert not [pid for pid in family if is_alive(pid)]


def test_lines_are_buffered_for_a_slow_reader_and_lost_ones_counted():
    reading, writing = os.pipe()
    writer = NonBlockingWriter(writing)
    for number in range(3000):
        writer.write(b"%04d" % number + b"x" * 995 + b"\n")
    received = b""
    os.set_blocking(reading, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            writer.flush()
            received += os.read(reading, 65536)
    writer.write(b"after\n")
    received += os.read(reading, 65536)
    os.close(reading)
    writer.write(b"to nobody\n")
    os.close(writing)
    got = received.splitlines()
    assert got[-1] == b"after"
    kept = len(got) - 2
    assert got[-2] == b"(%d lines were dropped: nobody was reading)" % (3000 - kept)
    assert [line[:4] for line in got[:kept]] == [b"%04d" % number for number in range(kept)]


def test_a_line_in_chunks_is_one_line_and_an_endless_one_is_cut():
    child = Child(
        Program(
            "one",
            [
                sys.executable,
                "-I",
                "-S",
                "-c",
                "print('a', end='', flush=True); print('b'); print('c' * 200000, end='')",
            ],
        )
    )
    child.start()
    heard: list[bytes] = []
    more = True
    while more or child.process.poll() is None:
        lines, more = child.read_lines()
        heard += lines
    child.process.stdout.close()
    assert heard[0] == b"ab"
    assert b"".join(heard[1:]) == b"c" * 200000

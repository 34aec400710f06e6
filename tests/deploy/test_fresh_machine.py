"""Both commands of the README on a bare Debian 12 with its own Python 3.11.2, venv and make.

One machine stands for all of it: what a user runs there at first, what they are told to install, and what root does.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ..support import debian
from ..support.installation import PASSWORD, ROOT, Visitor, a_free_port

pytestmark = pytest.mark.servers

WALK = "tests/browser/test_main_job.py::test_the_guide_s_examples_with_two_members"
# Settings for internet access, from the environment of the tests.
PROXIES = {
    name: value for name, value in os.environ.items() if name.lower() in ("http_proxy", "https_proxy", "no_proxy")
}
HOME = "/home/newcomer"


def not_in_a_clone(folder: str, names: list[str]) -> set[str]:
    """What of this folder Git does not track: `ignore` of shutil.copytree."""
    lines = (ROOT / ".gitignore").read_text().split()
    patterns = [line.strip("/") for line in lines if not line.startswith("/")]
    if folder == str(ROOT):
        patterns += [".git", *(line.strip("/") for line in lines if line.startswith("/"))]
    return shutil.ignore_patterns(*patterns)(folder, names)


class Machine:
    """A bare Debian on this machine's network, with the sources in `lumaweb` of the user `newcomer`."""

    def __init__(self, root: Path, logs: Path) -> None:
        self.root, self.logs = root, logs

    def set_up(self) -> None:
        root = self.root
        debian.make(root, "make")
        debian.done("chroot", root, "useradd", "--create-home", "newcomer")
        shutil.copytree(ROOT, root / HOME[1:] / "lumaweb", ignore=not_in_a_clone)
        debian.done("chroot", root, "chown", "--recursive", "newcomer:newcomer", HOME)

    def command(self, user: str, *command: str, **env: object) -> list[str]:
        home = HOME if user == "newcomer" else "/root"
        given = [f"{name}={value}" for name, value in {"HOME": home, "PIP_NO_CACHE_DIR": 1, **PROXIES, **env}.items()]
        return debian.inside(self.root, user, *given, *command, folder=f"{HOME}/lumaweb")

    def run(self, user: str, *command: str, seconds: float, **env: object) -> subprocess.CompletedProcess[str]:
        words = self.command(user, *command, **env)
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)

    def serve(self, data: str) -> "Service":
        return Service(self, data)

    def processes(self) -> dict[int, str]:
        """Return id and command line of all processes inside."""
        own, found = self.root.stat(), {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended meanwhile
                if os.path.samestat(os.stat(process / "root/"), own):
                    found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        return found

    def end(self) -> None:
        """Kill all processes inside, however the test ended."""
        while running := self.processes():
            for pid in running:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


class Service:
    """`make run` by the user, until SIGTERM stops it."""

    def __init__(self, machine: Machine, data: str) -> None:
        self.machine, self.port = machine, a_free_port()
        self.log = machine.logs / f"{data}.log"
        env = {
            "PORT": self.port,
            "LUMAWEB_DATA_DIR": f"{HOME}/{data}",
            "LUMAWEB_ADMIN_USERNAME": "ada",
            "LUMAWEB_ADMIN_PASSWORD": PASSWORD,
            "SANDBOX_PORT": a_free_port(),
            "SANDBOX_SCALE": "0.25",
            "SANDBOX_SECONDS": "1",
        }
        words = machine.command("newcomer", "make", "run", **env)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait_for(f"Lumaweb is ready at http://127.0.0.1:{self.port}/", 600)

    def wait_for(self, words: str, seconds: float) -> None:
        end = time.monotonic() + seconds
        while words not in (said := self.log.read_text()):
            assert self.process.poll() is None, said
            assert time.monotonic() < end, f"not within {seconds:.0f} s: {words}\n{said}"
            time.sleep(0.2)

    def visitor(self) -> Visitor:
        return Visitor(f"http://127.0.0.1:{self.port}", "ada")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        end = time.monotonic() + 5
        while left := self.machine.processes():
            assert time.monotonic() < end, f"left behind: {left}\n{self.log.read_text()}"
            time.sleep(0.05)


@pytest.fixture
def machine(tmp_path) -> Iterator[Machine]:
    assert os.geteuid() == 0, "Making a Debian takes root; run this test as root"
    root = tmp_path / "debian"
    root.mkdir()
    # In memory: it is more than a gigabyte of small files, which no disk has to keep.
    debian.done("mount", "-t", "tmpfs", "-o", "size=8g,mode=755", "tmpfs", root)
    machine = Machine(root, tmp_path)
    try:
        machine.set_up()
        yield machine
    finally:
        machine.end()
        debian.done("umount", root)


def test_both_commands_of_the_readme_work_on_a_bare_debian(machine):
    assert debian.done("chroot", machine.root, "python3", "--version") == "Python 3.11.2\n"

    # A user: make run, a video, a backup of it, and its restore.
    service = machine.serve("data")
    visitor = service.visitor()
    uuid = visitor.submit(prompt="A lighthouse in the fog", aspect_ratio="16:9")
    video = visitor.wait_until_saved(uuid, seconds=120)
    backed_up = manage(machine, "data", "backup", "--with-keys", f"{HOME}/backup.tar")
    assert "Generations: 1, members: 1" in backed_up
    service.stop()
    manage(machine, "data", "verify_media")
    restored = manage(machine, "restored", "restore", f"{HOME}/backup.tar")
    assert "Restored. Generations: 1, members: 1" in restored
    service = machine.serve("restored")
    assert service.visitor().wait_until_saved(uuid) == video
    service.stop()

    # The user again: make test cannot install what it needs, and says in one sentence what that is.
    refused = machine.run("newcomer", "make", "test", f"ARGS={WALK}", seconds=600)
    assert refused.returncode != 0
    unexpected = re.compile(r"(?!Installing requirements-dev\.txt|Installed the packages|  |make: |WARNING: ).+")
    sentences = [line for line in refused.stderr.splitlines() if unexpected.match(line)]
    assert len(sentences) == 1 and not refused.stdout, refused.stderr + refused.stdout
    named = re.search(r"only root can install them: apt-get install ([a-z0-9. -]+)", sentences[0])
    assert named and {"chromium", "libatomic1"} <= set(named[1].split()), sentences[0]

    # Root: it installs just that, and the walk in the browser passes.
    walked = machine.run("root", "make", "test", f"ARGS=--numprocesses=0 {WALK}", seconds=1200)
    assert walked.returncode == 0, walked.stdout[-5000:] + walked.stderr[-2000:]
    assert re.search(r"=+ 1 passed in ", walked.stdout), walked.stdout
    debian.done("chroot", machine.root, "dpkg-query", "--show", *named[1].split())


def manage(machine: Machine, data: str, *words: str) -> str:
    """Run a management command as the user and return its output."""
    env = {"LUMAWEB_DATA_DIR": f"{HOME}/{data}"}
    ran = machine.run("newcomer", ".venv/bin/python", "manage.py", *words, seconds=120, **env)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout

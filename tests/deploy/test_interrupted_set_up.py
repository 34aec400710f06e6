"""The set-up: Ctrl-C ends it in one line, with all processes, the next run continues, and a failure names its cause."""

import base64
import hashlib
import http.server
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ..support.installation import ROOT, Installation, a_free_port
from ..support.processes import processes_with, wait_until

# Nothing here touches a database.
pytestmark = pytest.mark.embedded

SENTENCE = "Stopped during the set-up. Run the same command again to continue."
MARK = "STARTED_BY_TEST"  # a variable by which the processes of a test are found
FILES = 4000  # in the large package: unpacking it takes seconds


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Let the started programs receive Ctrl-C: they would inherit that the tests ignore it in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def wheel(folder: Path, name: str, files: int = 1) -> str:
    """Write a package and return its hash."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    content = {f"{name}/__init__.py": "", **{f"{name}/m{n}.py": f"x = {n}\n" * 20 for n in range(files)}}
    content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    content[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    lines = []
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in content.items():
            archive.writestr(member, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            lines.append(f"{member},sha256={digest},{len(text.encode())}\n")
        archive.writestr(f"{info}/RECORD", "".join(lines) + f"{info}/RECORD,,\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Index(http.server.ThreadingHTTPServer):
    """A package index on loopback, which answers for `last` only once `released` is set."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.released, self.asked = folder, threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that was ended: a later test may be about the output."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Answer(http.server.BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        name = self.path.strip("/").split("/")[-1]
        if name == "last":
            self.server.asked.set()
            self.server.released.wait(60)
        file = self.server.folder / name
        body, kind = b"", "text/html"
        if file.suffix == ".whl":
            body, kind = file.read_bytes(), "application/octet-stream"
        else:
            body = "".join(
                f'<a href="/files/{path.name}">{path.name}</a>' for path in self.server.folder.glob(f"{name}-*")
            ).encode()
        with suppress(OSError):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


class Project:
    """A copy of the Makefile and .ci, with small packages to install."""

    def __init__(self, folder: Path, index: Index) -> None:
        self.folder, self.index = folder, index
        shutil.copytree(ROOT / ".ci", folder / ".ci")
        shutil.copy(ROOT / "Makefile", folder)
        packages = {"first": 1, "large": FILES, "last": 1}
        lines = [f"{name}==1.0 --hash=sha256:{wheel(index.folder, name, files)}\n" for name, files in packages.items()]
        (folder / "requirements.txt").write_text("".join(lines))
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        (bin_folder / "python3").symlink_to(sys.executable)

    @property
    def env(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "MAKE"))}
        return env | {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "PIP_INDEX_URL": self.index.url,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_CACHE_DIR": "1",
            "PIP_RETRIES": "0",
            "NO_PROXY": "127.0.0.1",
        }

    def make(self, target: str = ".venv/ready", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", target], cwd=self.folder, env=self.env | env, capture_output=True, text=True, timeout=120
        )


class Terminal:
    """Run a command in a new terminal, as a shell does: Ctrl-C goes to its whole process group."""

    def __init__(self, command: list[str], folder: Path, env: dict[str, str]) -> None:
        self.mark = f"{MARK}={uuid.uuid4()}"
        env = env | dict([self.mark.split("=")])
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.chdir(folder)
            os.execvpe(command[0], command, env)
        self.output = ""

    def read(self, seconds: float) -> bool:
        """Read the output of the next seconds; return False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # Linux, at the end of the terminal
            return False
        self.output += data.decode(errors="replace")
        return bool(data)

    def wait_for(self, pattern: str, seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while not re.search(pattern, self.output):
            assert self.read(0.05) and time.monotonic() < end, f"not within {seconds} s: {pattern}\n{self.output}"

    def press_ctrl_c(self) -> str:
        """Press Ctrl-C and wait for the end; return what was printed after it."""
        before = len(self.output)
        os.write(self.fd, b"\x03")
        return self.end(before)

    def end(self, before: int = 0) -> str:
        end = time.monotonic() + 60
        while self.read(0.1):
            assert time.monotonic() < end, self.output
        os.waitpid(self.pid, 0)
        os.close(self.fd)
        wait_until(lambda: not processes_with(self.mark), lambda: f"the end of {processes_with(self.mark)}")
        return re.sub(r"\r\x1b\[K|\x1b\[K", "", self.output[before:]).replace("\r\n", "\n").replace("^C", "")


@pytest.fixture
def project(tmp_path) -> Iterator[Project]:
    (tmp_path / "packages").mkdir()
    (tmp_path / "project").mkdir()
    index = Index(tmp_path / "packages")
    threading.Thread(target=index.serve_forever, daemon=True).start()
    yield Project(tmp_path / "project", index)
    index.released.set()
    index.shutdown()
    index.server_close()


def one_line(said: str, sentence: str) -> None:
    """Check that the output after Ctrl-C is this line, apart from the messages of make."""
    lines = [line for line in said.strip().splitlines() if line.strip()]
    own = [line for line in lines if not re.match(r"make(\[\d\])?: \*\*\* ", line)]
    # The first may be the rest of a line that shows the progress.
    assert own and own[-1].strip().endswith(sentence), said
    assert len(own) == 1, said
    assert "Traceback" not in said and "KeyboardInterrupt" not in said


def test_ctrl_c_at_any_moment_of_the_installation_ends_in_one_line_and_the_next_run_continues(project):
    def start() -> Terminal:
        return Terminal(["make", ".venv/ready"], project.folder, project.env)

    moments = {
        "the environment is created": lambda terminal: terminal.wait_for("Creating .venv"),
        "half of the environment is there": lambda terminal: wait_until(
            lambda: terminal.read(0.01) and any(project.folder.glob(".venv/lib/python3*/site-packages/pip")),
            seconds=90,
        ),
        "packages are downloaded": lambda terminal: wait_until(
            lambda: terminal.read(0.01) and project.index.asked.is_set(), seconds=90
        ),
    }
    for moment, reach in moments.items():
        terminal = start()
        reach(terminal)
        one_line(terminal.press_ctrl_c(), SENTENCE)
        assert not (project.folder / ".venv/ready").exists(), moment
    # A run that has only downloaded leaves the environment valid: the next run does not create it again.
    project.index.released.set()
    terminal = start()
    terminal.wait_for("Unpacking the packages")
    assert "Creating" not in terminal.output
    wait_until(
        lambda: terminal.read(0.01) and any(project.folder.glob(".venv/lib/python3*/site-packages/large/m*.py")),
        seconds=90,
    )
    one_line(terminal.press_ctrl_c(), SENTENCE)
    assert not (project.folder / ".venv/ready").exists()
    # Half a package is unpacked: the next run creates the environment again.
    terminal = start()
    said = terminal.end()
    assert "Creating .venv" in said and "Installed the packages in" in said, said
    python = project.folder / ".venv/bin/python"
    code = f"import first, last, importlib; importlib.import_module('large.m{FILES - 1}')"
    assert subprocess.run([python, "-c", code], cwd=project.folder / ".ci", timeout=60).returncode == 0
    assert (project.folder / ".venv/ready").exists()


def test_sigterm_to_make_ends_the_installation_and_all_its_processes(project):
    mark = f"{MARK}={uuid.uuid4()}"
    process = subprocess.Popen(
        ["make", ".venv/ready"], cwd=project.folder, env=project.env | dict([mark.split("=")]), text=True,
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert project.index.asked.wait(90)
    process.terminate()
    said, _ = process.communicate(timeout=30)
    assert SENTENCE in said and "Traceback" not in said
    wait_until(lambda: not processes_with(mark), lambda: f"the end of {processes_with(mark)}")


def test_a_log_gets_whole_lines_and_no_control_characters(project):
    project.index.released.set()
    done = project.make()
    assert done.returncode == 0, done.stderr
    assert "\r" not in done.stderr and "\x1b" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
    assert lines[0].startswith("Creating .venv with Python 3.") and lines[1] == "Installing requirements.txt"
    assert re.fullmatch(r"Installed the packages in \d+ s", lines[2]) and len(lines) == 3


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        ("network", "the package index cannot be reached. Check the network; behind a proxy set HTTPS_PROXY"),
        ("hash", "a downloaded file is not the expected one. Clear the cache"),
        ("missing", "the package index has no file of a package for this Python and machine"),
    ],
)
def test_an_installation_that_fails_names_the_cause_and_what_to_do(project, spoil, cause):
    env = {}
    project.index.released.set()
    if spoil == "network":
        env = {"PIP_INDEX_URL": f"http://127.0.0.1:{a_free_port()}", "PIP_RETRIES": "1"}
    elif spoil == "hash":
        text = (project.folder / "requirements.txt").read_text()
        (project.folder / "requirements.txt").write_text(re.sub("sha256:....", "sha256:0000", text))
    else:
        (project.index.folder / "last-1.0-py3-none-any.whl").unlink()
    done = project.make(**env)
    assert done.returncode != 0
    assert f"The packages cannot be installed: {cause}" in done.stderr
    assert "then run the same command again." in done.stderr and "Traceback" not in done.stderr
    assert not (project.folder / ".venv/ready").exists()


# ── After the installation ───────────────────────────────────────────────────────────────────────────────────


def test_ctrl_c_while_the_data_is_prepared_ends_in_one_line_and_the_next_start_is_whole(tmp_path):
    env = Installation(tmp_path / "data").env

    def start() -> Terminal:
        return Terminal([sys.executable, "manage.py", "serve", "--prepare"], ROOT, env)

    for moment in ("Lumaweb [0-9]", "Preparing the database", "Collecting static files"):
        terminal = start()
        terminal.wait_for(moment)
        one_line(terminal.press_ctrl_c(), "Stopped.")
    terminal = start()
    terminal.wait_for("Lumaweb is ready at")
    assert "stopped" in terminal.press_ctrl_c()


@pytest.mark.parametrize(
    ("command", "during", "sentence"),
    [
        (["manage.py", "serve"], "django.core.exceptions", "Stopped."),
        (["-I", ".ci/set_up.py", sys.executable, "requirements.txt", "{tmp_path}/.venv"], "re._casefix", SENTENCE),
    ],
    ids=["start", "set-up"],
)
def test_ctrl_c_during_the_imports_prints_no_traceback(tmp_path, command, during, sentence):
    command = [word.format(tmp_path=tmp_path) for word in command]
    env = os.environ | {"LUMAWEB_DATA_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", *command], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if during in line:
            process.send_signal(signal.SIGINT)
            break
    said = process.communicate(timeout=30)[1]
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in said and said.splitlines()[-1] == sentence

"""Create a virtual environment and install packages into it. set_up.py runs this."""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from stop_signals import RECEIVED

CHECK = "import sys; sys.exit(sys.version_info < (3, 11) or sys.prefix == sys.base_prefix)"
LOG_EVERY = 10.0  # seconds between two lines where there is no terminal
STOP_TIMEOUT = 5.0  # seconds, then the programs are killed
ALMOST_FULL = 20_000_000  # bytes left on the disk
MAX_LINES = 2000  # of an installer's output
# A file in an environment that is being created or changed. If a run leaves it, the environment may be incomplete.
UNFINISHED = ".unfinished"

# Patterns in the output of an installer, with the cause and what to do. The first match is shown.
CAUSES = (
    (
        r"No space left on device|os error 28|Disk quota exceeded",
        "the disk is full. Free about 1 GB in {folder}, and in {temporary}",
    ),
    (
        r"DO NOT MATCH THE HASHES|Hash mismatch",
        "a downloaded file is not the expected one. Clear the cache (pip cache purge or uv cache clean); a mirror must "
        "serve the original files",
    ),
    (
        r"Permission denied|Read-only file system",
        "{folder} or the cache cannot be written. Make them writable for the user who runs this",
    ),
    (
        r"certificate verify failed|CERTIFICATE_VERIFY_FAILED|invalid peer certificate",
        "the certificate of the package index is not trusted here. If a proxy inspects TLS, set PIP_CERT and "
        "SSL_CERT_FILE to the file with its certificate",
    ),
    (
        r"ProxyError|Cannot connect to proxy|Tunnel connection failed|proxy authentication",
        "the proxy refuses the connection. Check HTTPS_PROXY",
    ),
    (
        r"name resolution|Name or service not known|nodename nor servname|Network is unreachable|Connection refused|"
        r"No route to host|timed out|Connection reset|NewConnectionError|dns error|error sending request|"
        r"tcp connect error",
        "the package index cannot be reached. Check the network; behind a proxy set HTTPS_PROXY, with a mirror "
        "PIP_INDEX_URL or UV_INDEX_URL",
    ),
    (
        r"\b40[137] (?:Client Error|Unauthorized|Forbidden)|HTTP status client error",
        "the package index refuses access. Check PIP_INDEX_URL or UV_INDEX_URL",
    ),
    (
        r"No matching distribution found|no wheels? with a matching|no version of",
        "the package index has no file of a package for this Python and machine. Check PIP_INDEX_URL, and use Python "
        "3.11 to 3.14 on Linux or macOS",
    ),
    (
        r"Failed (?:to build|building)|subprocess-exited-with-error",
        "a package has no file for this Python and machine, and cannot be built. Use Python 3.11 to 3.14 on Linux or "
        "macOS",
    ),
)
NO_VENV = r"ensurepip is not|No module named '?(?:ensurepip|venv)"


class FailedError(Exception):
    """The set-up cannot continue; the text says why and what to do."""


class StoppedError(Exception):
    """A signal asked the set-up to stop."""


class Progress:
    """Show the current step: on a terminal in one line that changes, else in lines that a log can keep."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._shown, self._shown_at = "", 0.0

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._clear()
        self._write(line + "\n")
        self._shown_at = time.monotonic()

    def update(self, state: str) -> None:
        """Show a state, if it is new: in a log only one in LOG_EVERY seconds."""
        if self._is_terminal:
            line = f"  {state}"[: shutil.get_terminal_size().columns - 1]
            if line != self._shown:
                self._clear()
                self._write(line)
                self._shown = line
        elif time.monotonic() - self._shown_at > LOG_EVERY:
            self.say(f"  {state}")

    def _clear(self) -> None:
        if self._shown:
            self._write("\r\x1b[K")
            self._shown = ""

    def _write(self, text: str) -> None:
        with suppress(OSError):  # the terminal was closed
            sys.stderr.write(text)
            sys.stderr.flush()


progress = Progress()


def run(command: list[str], on_line: Callable[[str], None] = lambda line: None, state: Callable[[], str] = str) -> str:
    """Run a program and return its output; raise subprocess.CalledProcessError, or StoppedError on a signal.

    `on_line` gets each line of the output; `state` returns what to show.
    """
    if RECEIVED:
        raise StoppedError
    # In a process group, so that a stop reaches the programs it starts, and a Ctrl-C only this process.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0
    )
    assert process.stdout is not None
    lines, rest, is_open = [], b"", True
    stop_at = None
    while is_open:
        if RECEIVED and stop_at is None:
            stop_at = time.monotonic() + STOP_TIMEOUT
            _signal_group(process.pid, signal.SIGTERM)
        if stop_at and time.monotonic() > stop_at:
            break
        if select.select([process.stdout], [], [], 0.1)[0]:
            data = os.read(process.stdout.fileno(), 65536)
            is_open = bool(data)
            *whole, rest = (rest + data).split(b"\n")
            for line in (part.decode(errors="replace").rstrip() for part in whole):
                lines = [*lines[-MAX_LINES:], line]
                on_line(line)
        if text := state():
            progress.update(text)
    if RECEIVED:
        _signal_group(process.pid, signal.SIGKILL)
    status = process.wait()
    process.stdout.close()
    output = "\n".join([*lines, rest.decode(errors="replace")]).strip()
    if RECEIVED:
        raise StoppedError
    if status:
        raise subprocess.CalledProcessError(status, command, output)
    return output


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


class Environment:
    """A virtual environment, made by uv if that is installed."""

    def __init__(self, found: str, folder: Path) -> None:
        self.found, self.folder = found, folder
        self.python = str(folder / "bin/python")
        self.uses_uv = self._works(["uv", "--version"])
        self.unfinished = folder / UNFINISHED
        if self.uses_uv and not self._has_writable_cache():
            os.environ["UV_NO_CACHE"] = "1"

    @property
    def is_complete(self) -> bool:
        return not self.unfinished.exists() and self._works([self.python, "-I", "-c", CHECK])

    def create(self) -> None:
        """Make a new environment in place of the old one. Raises FailedError."""
        version = self._output([self.found, "-c", "import platform; print(platform.python_version())"])
        progress.say(f"Creating {self.folder} with {'uv' if self.uses_uv else f'Python {version}'}")
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True, exist_ok=True)
            self.unfinished.touch()
            if self.uses_uv:
                run(["uv", "venv", "--allow-existing", "--python", ">=3.11", str(self.folder)])
            else:
                run([self.found, "-m", "venv", str(self.folder)])
        except subprocess.CalledProcessError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            said = " ".join(error.output.split())
            cannot = f"{self.found} cannot make a virtual environment: "
            if re.search(NO_VENV, said):
                raise FailedError(f"{cannot}apt-get install python3-venv (Debian, Ubuntu), or install uv.") from None
            raise FailedError(cause_of(said) or cannot + said) from None
        except OSError as error:
            raise FailedError(cause_of(str(error)) or f"{self.folder} cannot be created: {error.strerror}.") from None

    def install(self, requirements: str) -> None:
        """Install a requirements file. Raises FailedError."""
        if not (self.uses_uv or self._works([self.python, "-m", "pip", "--version"])):
            # An environment created by uv has no pip.
            self._run_installer("pip", [self.python, "-m", "ensurepip"], Installer(0))
        packages = len(re.findall(r"^[A-Za-z0-9][^ ]*==", Path(requirements).read_text(), re.MULTILINE))
        progress.say(f"Installing {requirements}")
        if self.uses_uv:
            command = ["uv", "pip", "install", "--python", self.python]
        else:
            command = [self.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-color"]
            command += ["--no-input", "--progress-bar=off"]
        self._run_installer(requirements, [*command, "--require-hashes", "-r", requirements], Installer(packages))

    def _run_installer(self, what: str, command: list[str], installer: "Installer") -> None:
        self.unfinished.touch()
        try:
            run(command, installer.read, installer.state)
        except subprocess.CalledProcessError as error:
            self._keep_if_unchanged(installer)
            raise FailedError(cause_of(error.output) or _last_error(error.output, what)) from None
        except StoppedError:
            self._keep_if_unchanged(installer)
            raise
        self.unfinished.unlink()
        if summary := installer.summary():
            progress.say(summary)

    def _keep_if_unchanged(self, installer: "Installer") -> None:
        """Keep the environment if pip has only downloaded packages and not unpacked any."""
        if not (self.uses_uv or installer.is_unpacking):
            self.unfinished.unlink(missing_ok=True)

    def _has_writable_cache(self) -> bool:
        cache = Path(self._output(["uv", "cache", "dir"]) or ".")
        with suppress(OSError):
            cache.mkdir(parents=True, exist_ok=True)
        return os.access(cache, os.W_OK)

    def _works(self, command: list[str]) -> bool:
        try:
            run(command)
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def _output(self, command: list[str]) -> str:
        try:
            return run(command)
        except (OSError, subprocess.CalledProcessError):
            return ""


class Installer:
    """Read the progress from the output of pip or uv."""

    def __init__(self, packages: int) -> None:
        self._packages, self._downloaded = packages, 0
        self._name, self._is_retrying = "", False
        self._started_at = time.monotonic()
        self.is_unpacking = False

    def read(self, line: str) -> None:
        # pip processes files that it does not have to download.
        if found := re.match(r"(?:Collecting |Processing (?:.*/)?)([A-Za-z0-9._]+(?:-[A-Za-z_]+)*)", line):
            self._name, self._is_retrying = found[1], False
            self._downloaded += 1
        elif re.match(r"Installing collected packages|Prepared \d+ package", line):
            self.is_unpacking = True
        elif re.match(r"WARNING: Retrying", line):
            self._is_retrying = True

    def state(self) -> str:
        seconds = f"{time.monotonic() - self._started_at:.0f} s"
        if self._is_retrying:
            return f"The package index does not answer; trying again, {seconds}"
        if self.is_unpacking:
            return f"Unpacking the packages, {seconds}"
        if self._downloaded:
            return f"Downloading package {self._downloaded} of about {self._packages}: {self._name}, {seconds}"
        return f"Looking for packages, {seconds}" if self._packages else ""

    def summary(self) -> str:
        """Return a line for the end; "" if nothing was installed."""
        return f"Installed the packages in {time.monotonic() - self._started_at:.0f} s" if self.is_unpacking else ""


def cause_of(output: str) -> str:
    """Return why a program has failed and what to do; "" if its output names none of the known causes."""
    # Python's venv does not pass on what its programs say.
    if shutil.disk_usage(Path.cwd()).free < ALMOST_FULL:
        output += "\nNo space left on device"
    for pattern, cause in CAUSES:
        if found := re.search(rf".*(?:{pattern}).*", output, re.IGNORECASE):
            named = cause.format(folder=Path.cwd(), temporary=os.environ.get("TMPDIR", "/tmp"))
            line = found[0].strip()[:300]
            return f"The packages cannot be installed: {named}, then run the same command again.\n  {line}"
    return ""


def _last_error(output: str, what: str) -> str:
    errors = [line for line in output.splitlines() if re.match(r"\s*(?:ERROR|error)\b", line)]
    return f"{what} cannot be installed: {' '.join((errors or output.splitlines() or ['no output'])[-1].split())}"


def set_up(found: str, requirements: str, folder: str) -> None:
    environment = Environment(found, Path(folder))
    files = [requirements]
    if not environment.is_complete:
        environment.create()
        # An addition to the environment, such as the tests', is made after the installation's packages.
        if folder == ".venv" and requirements != "requirements.txt":
            files = ["requirements.txt", requirements]
    for file in files:
        environment.install(file)
        if file != requirements:
            (Path(folder) / "ready").touch()


def main(found: str, requirements: str, folder: str) -> int:
    """Set up the environment with this Python; return the status of the process."""
    try:
        set_up(found, requirements, folder)
    except FailedError as error:
        progress.say(str(error))
        return 1
    except OSError as error:
        # A folder of another user, for example. The reason, not a traceback.
        progress.say(cause_of(str(error)) or f"The packages cannot be installed: {error}")
        return 1
    except StoppedError:
        progress.say("Stopped during the set-up. Run the same command again to continue.")
        # The caller sees that a signal ended this, and does not continue with the next step.
        signal.signal(RECEIVED[0], signal.SIG_DFL)
        os.kill(os.getpid(), RECEIVED[0])
    return 0

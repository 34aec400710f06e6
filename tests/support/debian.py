"""Make a Debian 12 in a folder with debootstrap, as root, for tests that need a separate machine."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

BASE_PACKAGES = "python3,python3-venv,ca-certificates"
KEPT_FOR = 7 * 86_400  # seconds
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# In a separate mount namespace, so that nothing stays mounted whatever happens to the program.
ENTER = """
root=$1 user=$2 folder=$3; shift 3
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot "$root" setpriv --reuid "$user" --regid "$user" --init-groups env -i --chdir="$folder" "$@"
"""


def done(*command: object, seconds: float = 300, **how) -> str:
    """Run a command and return its output; raise its error output on failure."""
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds, **how)
    assert ran.returncode == 0, f"{' '.join(map(str, command))[:200]}\n{ran.stdout[-2000:]}\n{ran.stderr[-3000:]}"
    return ran.stdout


def program(name: str) -> str:
    """Return the path of a program; fail with a message without it, as nothing here is skipped silently."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert found, f"{name} is not installed, and this test runs it: .ci/servers installs it"
    return found


def inside(root: Path, user: str, *words: object, folder: str = "/") -> list[str]:
    """The command line that runs a program in there, as this user in this folder; `words` are NAME=VALUE…, command."""
    enter = (program("unshare"), "--mount", "bash", "-euc", ENTER, "bash")
    return [*enter, str(root), user, folder, f"PATH={PATH}", f"USER={user}", *map(str, words)]


def make(folder: Path, *packages: str) -> None:
    """Fill an empty folder with Debian 12 and its own Python 3.11, and these packages on top."""
    with _base() as base:
        done("cp", "--archive", "--reflink=auto", f"{base}/.", folder)
    _reach_packages(folder)
    if packages:
        apt_get = ("DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq")
        done(*inside(folder, "root", *apt_get, "update"))
        done(*inside(folder, "root", *apt_get, "install", "--yes", "--no-install-recommends", *packages), seconds=600)


@contextmanager
def _base() -> Iterator[Path]:
    """Return a Debian with little more than Python, cached for some days; do not change it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "lumaweb-tests")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / "lock").open("w")
    except OSError:
        with TemporaryDirectory(prefix="lumaweb-tests-", dir="/var/tmp") as folder:
            _bootstrap(Path(folder, "debian"))
            yield Path(folder, "debian")
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test may want one at the same time
        kept = cache / "debian-12"
        if not kept.exists() or time.time() - kept.stat().st_mtime > KEPT_FOR:
            unfinished = cache / "debian-12.unfinished"
            for old in (kept, unfinished):
                if old.exists():
                    shutil.rmtree(old)
            _bootstrap(unfinished)
            os.utime(unfinished)
            unfinished.rename(kept)
        yield kept


def _bootstrap(folder: Path) -> None:
    sites = done("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", "Origin: Debian").split()
    mirror = next((site for site in sites if site.rstrip("/").endswith("/debian")), "")
    done(
        *(program("unshare"), "--mount", program("debootstrap"), "--variant=minbase", f"--include={BASE_PACKAGES}"),
        *("bookworm", folder, *filter(None, [mirror])),
        seconds=900,
    )


def _reach_packages(folder: Path) -> None:
    """Configure the package sources of this machine."""
    for place in ("etc/hosts", "etc/resolv.conf", "etc/pip.conf", "etc/ssl/certs/ca-certificates.crt"):
        if Path("/", place).exists():
            shutil.copy(Path("/", place), folder / place)
    for file in Path("/etc/apt/apt.conf.d").iterdir():
        shutil.copy(file, folder / "etc/apt/apt.conf.d")

"""Build deploy/Dockerfile, run its container as Compose would, and run the units in a real systemd.

There is no Docker engine and no registry of images needed: the base image is Debian from its packages, the builder is
buildah, and a container is what a container is made of, namespaces and a root that cannot be written to.
"""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import pytest

from ..support import debian
from ..support.debian import done, program
from ..support.deployment import IMAGE_PACKAGES, IMAGE_PYTHON, PROGRAM, PROGRAM_PYTHON
from ..support.installation import ROOT

pytestmark = pytest.mark.servers

BASE = "lumaweb-tests-base"
KEY = base64.urlsafe_b64encode(b"not a secret, but 32 bytes long.").decode()
ASK = """
import http.client, sys
connection = http.client.HTTPConnection('127.0.0.1', 8000, timeout=5)
connection.request('GET', sys.argv[1])
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""


def until(seconds: float, what: str, seen: Callable[[], object]) -> None:
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)


class Image:
    """The built image: its settings, and its files under `root`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # In memory: it is a gigabyte of small files, which no disk has to keep.
        done("mount", "-t", "tmpfs", "-o", "size=8g", "tmpfs", folder)
        # Copying works on every file system, and chroot without an engine.
        self.env = os.environ | {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
        (folder / "debian").mkdir()
        debian.make(folder / "debian", "python3-pip", "systemd")
        # The official image has its Python here.
        (folder / "debian/usr/local/bin/python").symlink_to("/usr/bin/python3")
        base = self.buildah("from", "scratch").strip()
        self.buildah("add", "--quiet", base, folder / "debian", "/")
        self.buildah("commit", "--quiet", "--rm", base, BASE)
        shutil.rmtree(folder / "debian")
        self.buildah(
            *("bud", "--pull=never", "--format=docker", "--network=host", f"--build-arg=BASE=localhost/{BASE}"),
            *("--file", ROOT / "deploy/Dockerfile", "--ignorefile", ROOT / ".dockerignore", "--tag", "lumaweb", ROOT),
        )
        self.config = json.loads(self.buildah("inspect", "--type=image", "lumaweb"))["Docker"]["config"]
        self.root = Path(
            self.buildah("mount", self.buildah("from", "--pull=never", "localhost/lumaweb").strip()).strip()
        )

    def buildah(self, *words: object) -> str:
        where = (f"--root={self.folder}/storage", f"--runroot={self.folder}/run")
        return done(program("buildah"), *where, *words, env=self.env, seconds=900)


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Iterator[Image]:
    assert os.geteuid() == 0, "Building an image and making namespaces takes root; run this test as root"
    folder = tmp_path_factory.mktemp("image")
    try:
        yield Image(folder)
    finally:
        with open("/proc/mounts") as mounts:
            ours = [line.split()[1] for line in mounts if line.split()[1].startswith(str(folder))]
        for place in reversed(ours):
            subprocess.run(["umount", "--lazy", place], check=False)


class Space:
    """The first process of new namespaces, with an isolated network."""

    def __init__(self, script: str, *words: object, log: Path) -> None:
        self.log = log
        with log.open("ab") as said:
            self.process = subprocess.Popen(
                [
                    *(program("unshare"), "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child=KILL"),
                    *("bash", "-euc", "mount --make-rprivate /; ip link set lo up\n" + script, "bash"),
                    *map(str, words),
                ],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    @cached_property
    def first(self) -> int:
        """Return the id of the first process, as seen from outside."""

        def children() -> list[str]:
            assert self.process.poll() is None, self.log.read_text()
            found = ["pgrep", "--parent", str(self.process.pid)]
            return subprocess.run(found, capture_output=True, text=True).stdout.split()

        until(30, "a first process", children)
        return int(children()[0])

    def run(self, root: Path, *words: object, seconds: float = 60) -> subprocess.CompletedProcess:
        """Run a program inside."""
        return subprocess.run(
            [program("nsenter"), "-t", str(self.first), "-m", "-p", "-n", "chroot", str(root), *map(str, words)],
            capture_output=True, text=True, timeout=seconds,
        )  # fmt: skip

    def processes(self) -> list[tuple[int, str, str]]:
        """Return all processes but the first: id (outside), state and command."""
        there = done("ps", "-eo", "pid=,pidns=,stat=,args=").splitlines()
        mine = os.readlink(f"/proc/{self.first}/ns/pid").strip("pid:[]")
        rows = [line.split(None, 3) for line in there]
        return [(int(pid), state, args) for pid, space, state, args in rows if space == mine and int(pid) != self.first]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)


# As Compose is told: the root cannot be written to, /tmp is memory, no privilege can be had, none is there.
CONTAINER = """
root=$1 data=$2 user=$3; shift 3
mount --bind "$root" "$root"
mount --bind "$data" "$root/data"
mount -t tmpfs tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
exec chroot "$root" setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs \\
    --bounding-set=-all --inh-caps=-all env -i --chdir=/app "$@"
"""


class Container(Space):
    def __init__(self, image: Image, folder: Path, *command: str, **env: str) -> None:
        self.image = image
        data = folder / "data"
        if not data.exists():
            # A new volume is a copy of the image's folder.
            shutil.copytree(image.root / "data", data)
            for place in (data, *data.rglob("*")):
                os.chown(place, 10001, 10001)
        set_by_the_image = image.config["Env"]
        asked = [*image.config["Entrypoint"], *(command or image.config["Cmd"])]
        given = [f"{name}={said}" for name, said in env.items()]
        super().__init__(
            CONTAINER,
            *(image.root, data, image.config["User"], *set_by_the_image, *given, *asked),
            log=folder / "container.log",
        )

    def is_healthy(self, *env: str) -> bool:
        """Run the image's own health check."""
        kind, *command = self.image.config["Healthcheck"]["Test"]
        assert kind == "CMD"
        return self.run(self.image.root, "env", "-i", *self.image.config["Env"], *env, *command).returncode == 0


def test_the_image_declares_how_to_run_it(image):
    config = image.config
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"][0] == "tini" and config["Cmd"] == ["serve"]
    assert config["StopSignal"] in ("SIGTERM", "15")
    assert config["WorkingDir"] == "/app" and set(config["Volumes"]) == {"/data"}
    assert set(config["ExposedPorts"]) == {"8000/tcp"}
    assert config["Labels"]["org.opencontainers.image.title"] == "Lumaweb"


def test_the_image_holds_only_required_files(image):
    for name in ("gcc", "cc", "make", "git"):
        assert not list(image.root.glob(f"*/bin/{name}")) and not list(image.root.glob(f"usr/*/bin/{name}")), name
    assert not (image.root / "opt/venv/bin/pip").exists()
    there = {path.name for path in (image.root / "app").iterdir()}
    assert there == {
        "LICENSE", "collected", "lumaweb", "manage.py", "pyproject.toml", "requirements.txt", "static", "templates",
        "videos",
    }  # fmt: skip
    for name in ("secret-key", "encryption-keys", "lumaweb.sqlite3"):
        assert not list(image.root.rglob(name)), name
    assert (image.root / "app/collected/staticfiles.json").exists()
    for path in (image.root / "app").rglob("*"):
        assert path.stat().st_uid == 0 and not path.stat().st_mode & 0o022, path


GIVEN = {
    "LUMAWEB_PUBLIC_URL": "https://films.example.com",
    "LUMAWEB_SECRET_KEY": KEY,
    "LUMAWEB_ENCRYPTION_KEYS": KEY,
    "SANDBOX_SECONDS": "1",
}


def test_a_container_serves_writes_only_to_its_volume_reaps_children_and_stops_on_sigterm(image, tmp_path):
    migrate = Container(image, tmp_path, "migrate", "--no-input", "--verbosity", "0", **GIVEN)
    assert migrate.process.wait(120) == 0, migrate.log.read_text()
    container = Container(image, tmp_path, **GIVEN)
    try:
        until(90, f"ready\n{container.log.read_text()}", lambda: "is ready" in container.log.read_text())
        assert container.is_healthy()
        assert not container.is_healthy("PORT=8001"), "nobody listens there"
        ready = (IMAGE_PYTHON, "-c", ASK, "/readyz")
        until(60, "workers that answer", lambda: container.run(image.root, *ready).stdout.startswith("200"))
        # A cluster that is killed leaves its own children to the first process, which has to wait for them.
        cluster = next(pid for pid, _, args in container.processes() if "qcluster" in args)
        os.kill(cluster, 9)
        until(60, "started again", lambda: "restarting it" in container.log.read_text())
        until(60, "no dead process left", lambda: not any(state[0] == "Z" for _, state, _ in container.processes()))
        status = Path(f"/proc/{container.processes()[0][0]}/status").read_text()
        assert "\nUid:\t10001\t10001" in status and "\nNoNewPrivs:\t1" in status
        assert "\nCapEff:\t0000000000000000" in status
        os.kill(container.first, 15)
        # The supervisor's timeout, and a margin for a slow machine.
        assert container.process.wait(30) in (0, 143), container.log.read_text()
        assert "serve   | stopped" in container.log.read_text()
    finally:
        container.end()


# What systemd needs of a machine, in an overlay: the image's files do not change.
MACHINE = """
root=$1 own=$2 source=$3 environment=$4 program=$5 packages=$6
mkdir -p "$own"; mount -t tmpfs tmpfs "$own"; mkdir "$own/upper" "$own/work" "$own/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$own/upper,workdir=$own/work" "$own/root"
cd "$own/root"
mount -t proc proc proc; mount -t sysfs sysfs sys; mount --rbind /dev dev
mount -t tmpfs tmpfs run; mount -t tmpfs tmpfs tmp
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 sys/fs/cgroup
else
    mount -t tmpfs tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/systemd; mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
fi
chroot . useradd --system --user-group --home-dir /var/lib/lumaweb --shell /usr/sbin/nologin lumaweb-unit
sed -i 's/^lumaweb:/image:/; s/^lumaweb-unit:/lumaweb:/' etc/passwd etc/group
cp -a app ".$program"; ln -s "$packages" ".$program/.venv"
cp "$source"/*.service etc/systemd/system/
# Nobody keeps a journal in here.
for unit in etc/systemd/system/lumaweb*.service; do
    mkdir "$unit.d"
    printf '[Service]\\nStandardOutput=append:/said\\nStandardError=append:/said\\n' >"$unit.d/said.conf"
done
install -m 600 "$environment" etc/lumaweb.env
printf '[Unit]\\nDescription=Nothing but what is asked for\\n' >etc/systemd/system/quiet.target
exec chroot . env -i container=tests PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
    /lib/systemd/systemd --system --unit=quiet.target
"""


def test_systemd_runs_the_unit_with_its_sandboxing(image, tmp_path):
    environment = (ROOT / "deploy/lumaweb.env.example").read_text()
    for name, said in GIVEN.items():
        environment += f"\n{name}={said}"
    (tmp_path / "env").write_text(environment)
    own = tmp_path / "machine"
    files = (ROOT / "deploy/systemd", tmp_path / "env", PROGRAM, IMAGE_PACKAGES)
    machine = Space(MACHINE, image.root, own, *files, log=tmp_path / "machine.log")
    root = own / "root"

    def systemctl(*words: str) -> subprocess.CompletedProcess:
        return machine.run(root, "systemctl", *words, seconds=120)

    def said() -> str:
        return machine.run(root, "cat", "/said").stdout + machine.log.read_text()

    try:
        until(60, "systemd is there", lambda: systemctl("is-active", "quiet.target").stdout == "active\n")
        started = systemctl("start", "lumaweb")
        assert started.returncode == 0, started.stderr + said()
        ready = (PROGRAM_PYTHON, "-c", ASK, "/readyz")
        until(90, "ready", lambda: machine.run(root, *ready).stdout.startswith("200"))
        # After a kill, systemd restarts it, and its ports are free.
        systemctl("kill", "--kill-who=main", "--signal=KILL", "lumaweb")
        until(
            30, "started again", lambda: systemctl("show", "--property=NRestarts", "lumaweb").stdout != "NRestarts=0\n"
        )
        until(90, "ready again", lambda: machine.run(root, *ready).stdout.startswith("200"))
        began = time.monotonic()
        stopped = systemctl("stop", "lumaweb")
        assert stopped.returncode == 0, stopped.stderr
        assert time.monotonic() - began < 25
        assert "Result=success\n" in systemctl("show", "--property=Result", "lumaweb").stdout, said()
        assert not [args for _, _, args in machine.processes() if PROGRAM in args]
        assert machine.run(root, "stat", "-c", "%U %a", "/var/lib/lumaweb").stdout == "lumaweb 750\n"
        # Separate services need a shared database, and say so.
        assert systemctl("start", "lumaweb-migrate").returncode != 0
        assert "only with PostgreSQL" in said()
    finally:
        machine.end()

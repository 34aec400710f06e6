"""Set-up on a machine that lacks packages: what is installed, and the message if it cannot be."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .. import find_browser
from ..support.installation import ROOT

LACKS_A_LIBRARY = (
    "{0}: error while loading shared libraries: {1}: cannot open shared object file: No such file or directory"
)


class Machine:
    """A PATH with only this test's programs; its apt-get records its arguments."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.packages, self.log = folder / "bin", folder / "packages", folder / "apt.log"
        self.node = folder / "node"
        self.bin.mkdir()
        self.packages.mkdir()
        for name in ("env", "cp", "sh", "grep"):
            (self.bin / name).symlink_to(f"/usr/bin/{name}")
        self.program(self.bin / "apt-get", f'echo "$@" >>{self.log}')
        self.lacks("libatomic.so.1")

    def program(self, path: Path, script: str) -> None:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def lacks(self, library: str) -> None:
        """Make Playwright's driver fail for want of this library."""
        self.program(self.node, f'echo "{LACKS_A_LIBRARY.format(self.node, library)}" >&2; exit 127')

    def has_node(self) -> None:
        self.program(self.node, "exit 0")

    def has_browser(self) -> Path:
        self.program(self.bin / "chromium", "echo Chromium 1.0")
        return self.bin / "chromium"

    def has_ps(self) -> None:
        self.program(self.bin / "ps", "exit 0")

    def can_install(self, *packages: str) -> None:
        """Let apt-get install these packages and fail for any other."""
        offered = self.packages.parent / "offered"
        offered.mkdir()
        for package, path in (
            ("libatomic1", self.node),
            ("chromium", self.bin / "chromium"),
            (find_browser.HEADLESS_SHELL, self.bin / find_browser.HEADLESS_SHELL),
            ("procps", self.bin / "ps"),
        ):
            if package in packages:
                script = "echo Chromium 1.0" if package.startswith("chromium") else "exit 0"
                self.program(offered / package, script)
                (self.packages / package).write_text(str(path))
        (self.packages / "fonts-liberation").write_text("")
        self.program(
            self.bin / "apt-get",
            f"""
            echo "$@" >>{self.log}
            for word in "$@"; do
                case $word in
                    -* | install | update | DPkg::*) continue ;;
                esac
                [ -e {self.packages}/$word ] || {{ echo "E: Unable to locate package $word" >&2; exit 100; }}
                [ -e {offered}/$word ] || continue
                read -r target <{self.packages}/$word || :
                cp {offered}/$word "$target"
            done""",
        )

    def installed(self) -> list[str]:
        return re.findall(r"--no-install-recommends (.*)", self.log.read_text()) if self.log.exists() else []


@pytest.fixture
def bare(tmp_path, monkeypatch) -> Machine:
    """Return a machine without a browser, a library and ps, as root."""
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(machine.bin))
    monkeypatch.setenv("PLAYWRIGHT_NODEJS_PATH", str(machine.node))
    monkeypatch.delenv("LUMAWEB_TEST_BROWSER", raising=False)
    monkeypatch.setattr(find_browser, "APPLICATIONS", ())
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return machine


def test_missing_packages_are_installed_as_root(bare, capsys):
    bare.can_install("libatomic1", "chromium", "procps")
    assert find_browser.main() == 0
    assert capsys.readouterr().out == f"{bare.bin / 'chromium'}\n"
    assert bare.installed() == ["procps libatomic1", "chromium fonts-liberation"]


def test_nothing_is_installed_if_nothing_is_missing(bare, capsys):
    browser = bare.has_browser()
    bare.has_node()
    bare.has_ps()
    assert find_browser.main() == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"{browser}\n", "")
    assert bare.installed() == []


def test_the_headless_shell_is_preferred_and_installed_where_debian_has_it(bare, capsys):
    shell = bare.bin / find_browser.HEADLESS_SHELL
    bare.has_browser()
    bare.has_node()
    bare.has_ps()
    bare.program(bare.bin / "apt-cache", f'[ "$*" = "show {find_browser.HEADLESS_SHELL}" ]')
    bare.can_install(find_browser.HEADLESS_SHELL)
    assert find_browser.main() == 0
    assert capsys.readouterr().out == f"{shell}\n"
    assert bare.installed() == [find_browser.HEADLESS_SHELL]


def test_the_full_browser_is_used_if_there_is_no_headless_shell(bare, capsys):
    browser = bare.has_browser()
    bare.has_node()
    bare.has_ps()
    bare.program(bare.bin / "apt-cache", "true")
    bare.program(bare.bin / "apt-get", "exit 100")
    assert find_browser.main() == 0
    said = capsys.readouterr()
    assert said.out == f"{browser}\n"
    assert f"The tests do without {find_browser.HEADLESS_SHELL}" in said.err


@pytest.mark.parametrize(("given", "whole"), [("/x/chrome", "/x/chrome"), ("/x/chromium-headless-shell", None)])
def test_features_missing_in_the_headless_shell_are_tested_with_the_full_browser(bare, monkeypatch, given, whole):
    browser = bare.has_browser()
    bare.has_node()
    monkeypatch.setenv("LUMAWEB_TEST_BROWSER", given)
    assert find_browser.find_whole() == (whole or str(browser))


def test_a_custom_browser_also_needs_the_libraries(bare, capsys, monkeypatch):
    browser = bare.has_browser().rename(bare.node.parent / "own")
    monkeypatch.setenv("LUMAWEB_TEST_BROWSER", str(browser))
    bare.can_install("libatomic1", "procps")
    assert find_browser.main() == 0
    assert capsys.readouterr().out == f"{browser}\n"
    assert bare.installed() == ["procps libatomic1"]


def test_a_user_without_root_sees_which_packages_to_install(bare, capsys, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert find_browser.main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "The tests need Debian's packages procps, libatomic1, chromium, fonts-liberation, and only root can install "
        "them: apt-get install procps libatomic1 chromium fonts-liberation, or set LUMAWEB_TEST_BROWSER to the path "
        "of a Chromium or Google Chrome\n"
    )
    assert bare.installed() == []


def test_missing_packages_are_installed_with_sudo(bare, capsys, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    bare.program(bare.bin / "sudo", 'shift; [ "$1" = true ] || exec "$@"')
    bare.can_install("libatomic1", "chromium", "procps")
    assert find_browser.main() == 0
    assert bare.installed() == ["procps libatomic1", "chromium fonts-liberation"]


def test_a_package_that_cannot_be_installed_is_named_with_the_reason(bare, capsys):
    bare.can_install("libatomic1", "procps")
    assert find_browser.main() == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "The tests need Debian's packages chromium, fonts-liberation, and E: Unable to locate package chromium: "
        "apt-get install chromium fonts-liberation, or set LUMAWEB_TEST_BROWSER to the path of a Chromium or Google "
        "Chrome"
    )


def test_packages_that_do_not_help_are_installed_only_once(bare, capsys):
    bare.has_ps()
    bare.can_install("libatomic1", "chromium")
    (bare.packages / "libatomic1").write_text(str(bare.node.parent / "elsewhere"))
    assert find_browser.main() == 1
    assert "they are installed and do not work" in capsys.readouterr().err
    assert bare.installed() == ["libatomic1"]


def test_another_failure_of_the_driver_is_shown(bare, capsys):
    bare.has_ps()
    bare.program(bare.node, "echo starting >&2; echo not permitted here >&2; exit 1")
    assert find_browser.main() == 1
    assert capsys.readouterr().err == "Playwright's driver does not run here: not permitted here\n"


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("libatomic.so.1", "libatomic1"),
        ("libstdc++.so.6", "libstdc++6"),
        ("libgcc_s.so.1", "libgcc-s1"),
        ("libicu4.so.72", "libicu4-72"),
    ],
)
def test_the_package_of_a_library_follows_from_debian_s_naming_rule(library, package):
    assert find_browser.package_of(library) == package


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "The virtual environment was not created successfully because ensurepip is not\navailable.  On Debian…",
            "python3 cannot make a virtual environment: apt-get install python3-venv (Debian, Ubuntu), or install uv.",
        ),
        (
            "Error: [Errno 28] No space left on device: '.venv'",
            "The packages cannot be installed: the disk is full. Free about 1 GB in {folder}, and in /tmp, then run "
            "the same command again.\n  Error: [Errno 28] No space left on device: '.venv'",
        ),
    ],
)
def test_a_python_without_venv_names_the_missing_package(tmp_path, said, sentence):
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python3"
    fails = f'[ "$2" = venv ] || exec {sys.executable} "$@"\nmkdir -p .venv/bin\necho "{said}"\nexit 1'
    python.write_text(f"#!/bin/sh\n{fails}\n")
    python.chmod(0o755)
    done = subprocess.run(
        [ROOT / ".ci/setup", "requirements.txt"],
        cwd=tmp_path,
        env={"PATH": f"{python.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    creating, reason = done.stderr.split("\n", 1)
    assert (done.returncode, done.stdout, reason) == (1, "", f"{sentence.format(folder=tmp_path)}\n")
    assert creating.startswith("Creating .venv with Python 3.")
    assert not (tmp_path / ".venv").exists()


def test_an_environment_that_cannot_be_written_gives_a_sentence(tmp_path):
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 0\n")
    python.chmod(0o755)
    (tmp_path / "requirements.txt").touch()
    # For root too, who may write everywhere.
    (tmp_path / ".venv/.unfinished").symlink_to(tmp_path / "missing/file")
    done = subprocess.run(
        [ROOT / ".ci/setup", "requirements.txt"],
        cwd=tmp_path,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "") and "Traceback" not in done.stderr
    assert "The packages cannot be installed: [Errno 2]" in done.stderr and ".venv/.unfinished" in done.stderr


def test_a_python_that_is_too_old_is_named_with_the_one_that_is_needed(tmp_path):
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\n[ "$1" = --version ] && { echo Python 3.9.2; exit 0; }\nexit 1\n')
    python.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", ROOT / ".ci/setup", "requirements.txt"], cwd=tmp_path, env={"PATH": str(tmp_path)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Lumaweb needs Python 3.11 or newer and finds Python 3.9.2. Install it, or install uv, which installs its "
        "own.\n"
    )
    assert not (tmp_path / ".venv").exists()

"""The file .env: its syntax, what wins, and lines that cannot be read."""

import os
import re
import shutil
import subprocess

import pytest
from django.core.exceptions import ImproperlyConfigured

from lumaweb.environment import env_file
from lumaweb.environment.variable import SOURCES

from ...support.installation import ROOT
from ...support.settings_process import print_settings

LINES = [
    ("A=value", "value"),
    ("export A=value", "value"),
    ("A = value", "value"),
    ("A=", ""),
    ("A='single # quotes'", "single # quotes"),
    ('A="double # quotes"', "double # quotes"),
    ("A=with#sign # and a comment", "with#sign"),
    ("A=two words", "two words"),
    ("A=pa$$word$HOME${HOME}", "pa$$word$HOME${HOME}"),
    ('A="pa$word"', "pa$word"),
    ("A=x=y==", "x=y=="),
    ("A='say \"hi\"'", 'say "hi"'),
    ("A=Ünïcode", "Ünïcode"),
    ("A='back\\new'", "back\\new"),
    ("A=back\\new", "back\\new"),
    ("A=first\nA=last", "last"),
]


def written(tmp_path, content: str | bytes):
    path = tmp_path / ".env"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
@pytest.mark.parametrize(("line", "value"), LINES)
def test_a_line_is_read(tmp_path, line, value, end):
    assert env_file.parse(written(tmp_path, line.replace("\n", end or "\n") + end))["A"][0] == value


def test_blank_lines_comments_and_a_byte_order_mark_are_skipped(tmp_path):
    path = written(tmp_path, b"\xef\xbb\xbfA=1\r\n\r\n  # B=2\r\n\r\nC=3\r\n")
    assert env_file.parse(path) == {"A": ("1", 1), "C": ("3", 5)}


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("SECRET", "write SECRET=value"),
        ("SECRET topsecret", "write SECRET=value"),
        ("SECRET: topsecret", "write NAME=value with a name of letters"),
        ("MY-SECRET=topsecret", "write NAME=value with a name of letters"),
        ("1SECRET=topsecret", "write NAME=value with a name of letters"),
        ("=topsecret", "write NAME=value with a name of letters"),
        ('SECRET="topsecret', "write SECRET=value, and end the value with the quote"),
        ("SECRET='topsecret' more", "write SECRET=value, and end the value with the quote"),
        ('SECRET="topsecret\nB="', "end the value of SECRET on this line"),
        ('SECRET="topsecret\\new"', "end the value of SECRET on this line"),
        ("SECRET=top\0secret", "remove the NUL character from the value of SECRET"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_without_its_value(tmp_path, line, remedy):
    path = written(tmp_path, f"A=1\n\n# comment\n{line}\nB=2\n")
    with pytest.raises(ImproperlyConfigured) as stopped:
        env_file.parse(path)
    said = str(stopped.value)
    assert said.startswith(f"{path}, line 4, cannot be read; {remedy}")
    assert "topsecret" not in said and "\n" not in said


def test_all_lines_that_cannot_be_read_are_listed(tmp_path):
    with pytest.raises(ImproperlyConfigured) as stopped:
        env_file.parse(written(tmp_path, "A\nB=1\nC\n"))
    assert [line.strip().partition(", cannot")[0][-6:] for line in str(stopped.value).splitlines()] == [
        "line 1",
        "line 3",
    ]


def test_a_file_in_another_encoding_is_refused(tmp_path):
    with pytest.raises(ImproperlyConfigured, match="line 2, is not UTF-8"):
        env_file.parse(written(tmp_path, b"A=1\nB=\xfc\n"))


def test_a_folder_in_its_place_is_refused(tmp_path):
    with pytest.raises(ImproperlyConfigured, match="cannot be read: Is a directory"):
        env_file.parse(tmp_path)


def test_a_folder_of_that_name_is_no_file_of_variables(tmp_path, monkeypatch):
    monkeypatch.delenv("LUMAWEB_ENV_FILE")
    monkeypatch.setattr(env_file, "BASE_DIR", tmp_path)
    (tmp_path / ".env").mkdir()
    assert env_file.env_file() is None


def test_a_variable_that_is_set_wins_and_processes_inherit_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("LUMAWEB_ENV_FILE", str(written(tmp_path, "LUMAWEB_ONE=file\nLUMAWEB_TWO=file\n")))
    monkeypatch.setenv("LUMAWEB_ONE", "")
    monkeypatch.setenv("LUMAWEB_TWO", "")
    monkeypatch.delenv("LUMAWEB_TWO")
    assert env_file.load() == []
    assert (os.environ["LUMAWEB_ONE"], os.environ["LUMAWEB_TWO"]) == ("", "file")
    assert SOURCES.pop("LUMAWEB_TWO") == ".env, line 2"
    assert os.environ["LUMAWEB_ENV_FILE"] == ""
    assert env_file.env_file() is None


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620])
def test_a_file_that_others_can_read_is_warned_about(tmp_path, monkeypatch, mode):
    path = written(tmp_path, "")
    path.chmod(mode)
    monkeypatch.setenv("LUMAWEB_ENV_FILE", str(path))
    [warning] = env_file.load()
    assert f"mode 0{mode:o}" in warning and warning.endswith(f"Run: chmod 600 {path}")


def test_the_settings_read_the_file_and_name_the_line_of_a_fault(tmp_path):
    path = written(tmp_path, "# ours\nPORT=8123\nLUMAWEB_TIME_ZONE=Europe/Paris\n")
    shown = "settings.PORT, settings.TIME_ZONE"
    done = print_settings(tmp_path / "data", shown, LUMAWEB_ENV_FILE=str(path), LUMAWEB_TIME_ZONE="Asia/Tokyo")
    assert done.stdout.strip() == "8123 Asia/Tokyo", done.stderr
    path.write_text("\nPORT=http\n")
    done = print_settings(tmp_path / "data", shown, LUMAWEB_ENV_FILE=str(path))
    assert "PORT (.env, line 2) is 'http'; set it to a whole number from 1 to 65535." in done.stderr


def test_neither_git_nor_docker_sees_the_file():
    ignored = (env_file.BASE_DIR / ".gitignore").read_text().split()
    assert ".env" in ignored
    assert "**/.env" in (env_file.BASE_DIR / ".dockerignore").read_text().split()


@pytest.mark.parametrize(("target", "reads"), [("run", True), ("test", False), ("bench", False), ("fuzz", False)])
def test_of_the_make_targets_only_run_reads_the_file(tmp_path, target, reads):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for path in ("requirements.txt", "requirements-dev.txt", ".ci/setup", ".venv/ready", ".venv/ready-dev"):
        (tmp_path / path).touch()
    for path in (".ci/servers", ".venv/bin/python"):
        (tmp_path / path).write_text('#!/bin/sh\necho "file: ${LUMAWEB_ENV_FILE-.env}, port: $PORT"\n')
        (tmp_path / path).chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("LUMAWEB_", "MAKE"))}
    done = subprocess.run(
        ["make", target, "PORT=8100"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == f"file: {'.env' if reads else ''}, port: 8100", done.stderr


def test_make_check_does_not_read_the_file():
    makefile = (ROOT / "Makefile").read_text()
    [targets] = re.findall(r"^(.+): export LUMAWEB_ENV_FILE =$", makefile, re.MULTILINE)
    [phony] = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert set(phony.split()) - set(targets.split()) == {"run", "audit", "format", "requirements"}

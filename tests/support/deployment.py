"""The files of deploy/, with the paths replaced that a test cannot use."""

import re

import pytest

from .installation import ROOT

DEPLOY = ROOT / "deploy"
# The folders of the program in the units, and of its packages in the image.
PROGRAM = re.findall(r"(?m)^WorkingDirectory=(.+)$", (DEPLOY / "systemd/lumaweb.service").read_text())[0]
IMAGE_PACKAGES = re.findall(r"python -m venv (\S+)", (DEPLOY / "Dockerfile").read_text())[0]
PROGRAM_PYTHON = f"{PROGRAM}/.venv/bin/python"
IMAGE_PYTHON = f"{IMAGE_PACKAGES}/bin/python"
# Memory in bytes that each part takes while it decodes no file, rounded up.
IDLE = {"lumaweb": 700 << 20, "web": 250 << 20, "worker": 340 << 20, "ticker": 155 << 20}

servers = pytest.mark.servers


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """Return the text with all of these replaced; each must occur, so that no test runs an unchanged file."""
    for old, new in pairs:
        assert old in text, f"{old!r} is not in the file any more"
        text = text.replace(old, new)
    return text


def in_bytes(size: str) -> int:
    """Parse a size as systemd and Compose write it."""
    number, unit = re.fullmatch(r"(\d+)([mMgG])", size).groups()
    return int(number) * 1024 ** (2 if unit in "mM" else 3)

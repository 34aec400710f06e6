"""A small disk for one installation, which can be filled."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = "1500m"


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a small disk at a folder so that it can be filled; without root the folder stays as it is.

    The provider's files are elsewhere, since its disk is another company's.
    """
    provider_folder = folder.with_name(f"{folder.name}-provider")
    provider_folder.mkdir()
    is_mounted = os.geteuid() == 0 and _mount(folder)
    (folder / "sandbox").symlink_to(provider_folder)
    try:
        yield
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(provider_folder)


def _mount(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0750", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True).returncode == 0

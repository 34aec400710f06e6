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
    """Put a small disk of its own under a folder, so that it can be filled; without root the folder stays as it is.

    The provider's files go elsewhere: it is another company's machine.
    """
    provider = folder.with_name(f"{folder.name}-provider")
    provider.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0750", "tmpfs", str(folder)], capture_output=True
        ).returncode
    )
    (folder / "sandbox").symlink_to(provider)
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(provider)

"""Where the source and the data of an installation are."""

from pathlib import Path

from .variables import data

BASE_DIR = Path(__file__).resolve().parent.parent.parent


def data_dir() -> Path:
    """Return the data directory without symbolic links; it may not exist yet. Raises ImproperlyConfigured."""
    return data.DATA_DIR.value or (BASE_DIR / "data").resolve()

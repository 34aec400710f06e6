"""An installation with videos, and its backup."""

import pytest

from ...support.installation import Installation
from ...support.installation_contents import FILL


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Fill an installation, which does not run, with members, videos, frames and work in every state."""
    installation = Installation(tmp_path_factory.mktemp("home"))
    installation.migrate()
    installation.python(FILL)
    return installation


@pytest.fixture(scope="module")
def archive(home, tmp_path_factory):
    path = tmp_path_factory.mktemp("backups") / "plain.tar"
    said = home.manage("backup", str(path))
    assert "The keys are NOT in it" in said
    return path

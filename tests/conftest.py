"""Fixtures for all tests. The data directory is a new one, so that no installation's is touched."""

import os
import tempfile

# Before Django reads its settings.
os.environ["LUMAWEB_DATA_DIR"] = tempfile.mkdtemp(prefix="lumaweb-tests-")
for name in (
    "LUMAWEB_PUBLIC_URL",
    "DATABASE_URL",
    "REDIS_URL",
    "LUMAWEB_LUMA_TOKEN",
    "LUMAWEB_LUMA_BASE_URL",
):
    if name not in os.environ.get("LUMAWEB_TESTS_KEEP", "").split():
        os.environ.pop(name, None)

import pytest  # noqa: E402  (the environment comes first)
from django.core.management import call_command  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def static_files(django_db_setup):
    """The pages name static files by their hashed names, which are made here as `make run` makes them."""
    call_command("collectstatic", interactive=False, verbosity=0)


@connection_created.connect
def without_waiting_for_the_disk(connection, **kwargs):
    """Power cuts are not what the tests are about; the whole installations they start do wait."""
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA synchronous=OFF")

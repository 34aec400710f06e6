"""Fixtures for all tests."""

import fcntl
import os

import pytest
from django.conf import settings
from django.db.backends.signals import connection_created

from .support import database_reset, database_use, hypothesis_profiles, prepared_data, scheduling, servers

hypothesis_profiles.register()
database_reset.install()
# The settings set a strict umask. Processes that tests start get the usual one, which the product must not rely on.
settings.DATA_DIR  # noqa: B018  (the first look at a setting loads them)
os.umask(0o022)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Run twice as many workers as there are cores: at any time half of them wait for processes that they started."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    config.option.loadscopereorder = False  # xdist would begin with the files that have the most tests
    return scheduling.Scheduling(config, log)


def pytest_collection_modifyitems(config, items):
    if servers.there():
        beside = {item: database_use.uses_database(item) for item in items}
        config.hook.pytest_deselected(items=[item for item in items if not beside[item]])
        items[:] = filter(beside.get, items)
    if hasattr(config, "workerinput"):
        items[:] = scheduling.in_order(items)


@pytest.fixture(scope="session", autouse=True)
def static_files():
    """The pages name static files by their hashed names, which are made as `make run` makes them."""
    prepared_data.copy_static_files(settings.STATIC_ROOT)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix):
    """Put a migrated database where Django would make one of its own."""
    database = settings.DATABASES["default"]
    if servers.there():
        # As Django makes the name, to which pytest-django has added the worker's.
        name = database["TEST"]["NAME"] or f"test_{database['NAME']}"
        prepared_data.copy_postgres(f"{os.environ[servers.POSTGRES]}/{name}")
    else:
        prepared_data.copy_sqlite(database["TEST"]["NAME"])


@pytest.fixture(scope="session")
def django_db_keepdb():
    """Have Django use the database that is there. It ends with the folder, or the server, of this test run."""
    return True


@pytest.fixture(autouse=True)
def turn(request, worker_id, tmp_path_factory):
    """A test that looks at milliseconds has the machine to itself: those of the other processes wait meanwhile."""
    if worker_id == "master":
        yield
        return
    folder = tmp_path_factory.getbasetemp().parent  # of all processes
    alone = request.node.get_closest_marker("alone") is not None
    with (folder / "door").open("w") as door, (folder / "room").open("w") as room:
        # Who waits for an empty room keeps the door shut: else there would always be somebody.
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield
        fcntl.flock(room, fcntl.LOCK_UN)  # said, as a process that was forked from here may have it open


@connection_created.connect
def without_waiting_for_the_disk(connection, **kwargs):
    """Power cuts are not what the tests are about; the whole installations they start do wait."""
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA synchronous=OFF")

"""Fixtures for all tests."""

import fcntl

import pytest
from asgiref.sync import SyncToAsync
from django.core.management import call_command
from django.db import connections
from django.db.backends.signals import connection_created


@pytest.fixture(scope="session", autouse=True)
def static_files(django_db_setup):
    """The pages name static files by their hashed names, which are made here as `make run` makes them."""
    call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture(scope="session", autouse=True)
def no_connection_is_left(django_db_setup):
    """A drain's thread keeps its connection for the next one, and nobody can drop a database that is in use."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


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

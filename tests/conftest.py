"""Fixtures for all tests."""

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


@connection_created.connect
def without_waiting_for_the_disk(connection, **kwargs):
    """Power cuts are not what the tests are about; the whole installations they start do wait."""
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA synchronous=OFF")

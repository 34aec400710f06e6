"""Writers wait for SQLite's write lock."""

import threading
import time

import pytest
from django.db import OperationalError

from lumaweb.sqlite.base import DatabaseWrapper

pytestmark = pytest.mark.embedded


@pytest.fixture
def connect(tmp_path, transactional_db):
    connections = []

    def connect(timeout: float) -> DatabaseWrapper:
        settings = {
            "NAME": tmp_path / "lock.sqlite3", "ENGINE": "lumaweb.sqlite", "ATOMIC_REQUESTS": False, "TIME_ZONE": None,
            "AUTOCOMMIT": True, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": False, "TEST": {}, "USER": "", "HOST": "",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE", "timeout": timeout, "init_command": "PRAGMA journal_mode=WAL",
                "check_same_thread": False,
            },
        }  # fmt: skip
        connections.append(connection := DatabaseWrapper(settings, "default"))
        connection.inc_thread_sharing()
        connection.ensure_connection()
        return connection

    yield connect
    for connection in connections:
        connection.close()


def begin(connection: DatabaseWrapper) -> None:
    connection.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)


def end(connection: DatabaseWrapper) -> None:
    connection.commit()
    connection.set_autocommit(True)


def test_a_writer_waits_until_the_other_has_committed(connect):
    first, second = connect(20), connect(20)
    begin(first)
    begun = threading.Event()
    waiter = threading.Thread(target=lambda: (begin(second), begun.set()))
    waiter.start()
    assert not begun.wait(0.3)
    end(first)
    assert begun.wait(10)
    waiter.join()
    end(second)


def test_waiting_longer_than_the_timeout_raises_an_error(connect):
    first, second = connect(20), connect(0.2)
    begin(first)
    started = time.monotonic()
    with pytest.raises(OperationalError, match="locked"):
        begin(second)
    assert time.monotonic() - started >= 0.2
    end(first)
    begin(second)  # and can go on afterwards
    end(second)


def test_a_single_statement_waits_as_long_as_a_transaction(connect):
    connection = connect(7)
    begin(connection)
    end(connection)
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA busy_timeout").fetchone() == (7000,)

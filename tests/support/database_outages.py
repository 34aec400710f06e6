"""Make the real database refuse writes."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

# Larger than the free space in the existing pages.
TOO_LONG_FOR_A_FULL_DISK = "A red fox\nruns <b>over</b> the snow" * 100


@contextmanager
def locked() -> Iterator[None]:
    """Hold the write lock of the real database file from another connection."""
    other = lock()
    try:
        yield
    finally:
        release(other)


def lock() -> sqlite3.Connection:
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, check_same_thread=False, timeout=20)
    other.execute("BEGIN IMMEDIATE")
    return other


def release(other: sqlite3.Connection) -> None:
    other.execute("ROLLBACK")
    other.close()


@contextmanager
def full() -> Iterator[None]:
    """Let the database file grow no further, as seen by this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # free pages inside the file could still take rows
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA max_page_count = 1073741823")


@contextmanager
def read_only() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = 1")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = 0")

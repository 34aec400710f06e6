"""The time by the database's clock, which all machines of an installation share.

Heartbeats and leases of one machine are judged by another: by the clocks of the machines, a difference would look like
a dead worker.
"""

from datetime import datetime
from typing import cast

from django.db import connections
from django.utils import timezone


def database_now(using: str = "default") -> datetime:
    """Return the current time of the database server; of this machine with SQLite, which has no other."""
    connection = connections[using]
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    return cast(datetime, row[0])

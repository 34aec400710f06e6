"""Copy an installation from SQLite to PostgreSQL. The SQLite file stays in place until an admin removes it.

Rows are read through Django, which converts SQLite's text values, and written by COPY, which applies no defaults:
primary keys and times stay the same.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from django.apps import apps
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, connections, models, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from videos.models import Generation, HealthReport, Heartbeat, Histogram, Lease, Machine, Member
from videos.models.rollup import RollUp, RollUpMark

from .migration_state import known_migrations

SOURCE = "source"
BATCH_SIZE = 2000  # rows
# Not copied, because they belong to one machine or are computed again. Without sessions, members sign in again.
SKIPPED_APPS = {"sessions", "django_q", "axes"}
SKIPPED_MODELS: set[type[models.Model]] = {HealthReport, Heartbeat, Lease, Machine, RollUp, RollUpMark, Histogram}


class MoveRefused(Exception):
    """Nothing was changed; the message is for the admin."""


@dataclass(frozen=True)
class Copied:
    """What was copied: rows by table, and how many videos were held and became unconfirmed."""

    rows: dict[str, int]
    held: int
    unconfirmed: int


@contextmanager
def source_database(path: Path) -> Iterator[None]:
    """Connect the SQLite file as the database SOURCE; raise MoveRefused if there is no such file."""
    if not path.is_file():
        raise MoveRefused(f"There is no file {path}. Name the SQLite file of the installation with --from.")
    defaults = {name: value for name, value in connection.settings_dict.items() if name != "TEST"}
    connections.databases[SOURCE] = defaults | {
        "ENGINE": "lumaweb.sqlite", "NAME": path, "TEST": connection.settings_dict["TEST"],
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 5}, "CONN_HEALTH_CHECKS": False,
    }  # fmt: skip
    try:
        yield
    finally:
        connections[SOURCE].close()
        del connections[SOURCE]
        del connections.databases[SOURCE]


def copy_database(log: Callable[[str], None]) -> Copied:
    """Copy everything from SOURCE into the empty PostgreSQL database, or nothing.

    Queued videos are held in both databases, and those being sent become unconfirmed in the new one, so that no request
    is sent from both. Raises MoveRefused and the errors of the databases.
    """
    _check_databases()
    call_command("migrate", interactive=False, verbosity=0)
    tables = [model for model in apps.get_models(include_auto_created=True) if is_copied(model)]
    rows = {}
    with transaction.atomic():
        with connection.cursor() as cursor:
            # The file also has the rows that the migrations have created here.
            names = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in tables)
            cursor.execute(f"TRUNCATE {names} CASCADE")
        for model in tables:
            rows[model._meta.db_table] = copied = _copy_table(model)
            if copied:
                log(f"{model._meta.db_table}: {copied:,}")
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for sql in connection.ops.sequence_reset_sql(no_style(), tables):
                cursor.execute(sql)
        # The file first: after an interruption between the two, an admin only has to release the held videos there.
        queued = Generation.objects.using(SOURCE).filter(state="queued", held_at__isnull=True)
        queued.update(held_at=timezone.now(), changed_at=timezone.now(), version=models.F("version") + 1)
        held, unconfirmed = Generation.objects.hold_after_restore()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return Copied(rows, held, unconfirmed)


def _check_databases() -> None:
    if connection.vendor != "postgresql":
        raise MoveRefused("DATABASE_URL names no PostgreSQL database. Set it to the new, empty one.")
    if tables := set(connection.introspection.table_names()) - {"django_migrations"}:
        if Member._meta.db_table not in tables:
            raise MoveRefused("There are tables in this database already. Name an empty one in DATABASE_URL.")
        if Member.objects.exists():
            raise MoveRefused("There are members in this database already. Name an empty one in DATABASE_URL.")
    applied = {key for key in MigrationRecorder(connections[SOURCE]).applied_migrations() if key[0] == "videos"}
    known = {key for key in known_migrations() if key[0] == "videos"}
    if applied - known:
        raise MoveRefused("The file is of a newer Lumaweb. Update this one first.")
    if known - applied:
        raise MoveRefused("The file is of an older Lumaweb. Without DATABASE_URL, run `manage.py migrate` on it first.")
    if Heartbeat.objects.using(SOURCE).recent().exists():
        raise MoveRefused("This installation is running, or was a minute ago. Stop it first, then try again.")


def is_copied(model: type[models.Model]) -> bool:
    """Return whether the rows of this model are copied."""
    is_skipped = model in SKIPPED_MODELS or model._meta.app_label in SKIPPED_APPS
    return model._meta.managed and not model._meta.proxy and not is_skipped


def _copy_table(model: type[models.Model]) -> int:
    """Copy one table and return the number of its rows; raise MoveRefused if fewer arrived."""
    fields = model._meta.concrete_fields
    columns = ", ".join(connection.ops.quote_name(field.column) for field in fields if field.column)
    names = [field.attname for field in fields]
    rows = model._base_manager.using(SOURCE).order_by("pk").values_list(*names).iterator(BATCH_SIZE)
    count = 0
    with connection.cursor() as cursor:
        table = connection.ops.quote_name(model._meta.db_table)
        with cursor.cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            while batch := list(islice(rows, BATCH_SIZE)):
                for row in batch:
                    copy.write_row(
                        [
                            field.get_db_prep_save(value, connection) if value is not None else None
                            for field, value in zip(fields, row, strict=True)
                        ]
                    )
                count += len(batch)
    arrived = model._base_manager.count()
    expected = model._base_manager.using(SOURCE).count()
    if not count == arrived == expected:
        raise MoveRefused(
            f"{model._meta.db_table}: {expected} rows in the file, {arrived} arrived. Nothing was copied."
        )
    return count

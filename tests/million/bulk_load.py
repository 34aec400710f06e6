"""Loading many rows quickly: without indexes, and with COPY on PostgreSQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, transaction

from videos.models import Balance, CollectionItem, Generation, Star, Submission
from videos.models.search import TRIGGERS, create_search_triggers

FILLED_MODELS = [Balance, CollectionItem, Generation, Star, Submission]
SQLITE_SETTINGS = ("PRAGMA cache_size = -400000", "PRAGMA synchronous = OFF")
POSTGRESQL_SETTINGS = ("SET maintenance_work_mem = '1GB'", "SET synchronous_commit = off")
POSTGRESQL_SEARCH_INDEX = (
    "CREATE INDEX videos_generation_search ON videos_generation USING gin (search_text gin_trgm_ops)"
)

Values = Sequence[Any]


def load(table: str, columns: Sequence[str], rows: Sequence[Values]) -> None:
    """Insert rows; the other columns get their model's defaults, not the database's."""
    if connection.vendor == "postgresql":
        _copy(table, columns, rows)
    else:
        _insert(table, columns, rows)


@contextmanager
def without_indexes() -> Iterator[None]:
    """Open a transaction in which the generations have no indexes and triggers; create them again at its end."""
    sqlite = connection.vendor == "sqlite"
    indexes = Generation._meta.indexes
    dropped = [f"DROP INDEX {index.name}" for index in indexes]
    dropped += [f"DROP TRIGGER {name}" for name in TRIGGERS] if sqlite else ["DROP INDEX videos_generation_search"]
    with connection.cursor() as cursor:
        for statement in SQLITE_SETTINGS if sqlite else POSTGRESQL_SETTINGS:
            cursor.execute(statement)
        with transaction.atomic():
            for statement in dropped:
                cursor.execute(statement)
            yield
            if not sqlite:
                # An index cannot be created while constraint checks are pending.
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            editor = connection.schema_editor(collect_sql=True)
            for index in indexes:
                cursor.execute(str(index.create_sql(Generation, editor)))
            if sqlite:
                cursor.execute("INSERT INTO videos_search(videos_search) VALUES ('rebuild')")
                create_search_triggers()
            else:
                cursor.execute(POSTGRESQL_SEARCH_INDEX)


def finish() -> None:
    """Advance the sequences past the rows, and let the database analyse its tables as it does in the long run."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), FILLED_MODELS):
            cursor.execute(statement)
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _insert(table: str, columns: Sequence[str], rows: Sequence[Values]) -> None:
    defaults = _defaults(table, columns)
    names = ", ".join([*columns, *defaults])
    values = ", ".join([*("?" for _ in columns), *(_sql_literal(value) for value in defaults.values())])
    connection.connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({values})", rows)


def _copy(table: str, columns: Sequence[str], rows: Sequence[Values]) -> None:
    defaults = _defaults(table, columns)
    names = ", ".join([*columns, *defaults])
    line_end = "".join(f"\t{_copy_text(value)}" for value in defaults.values()) + "\n"
    with connection.cursor() as cursor, cursor.cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        copy.write("".join("\t".join(map(_copy_text, row)) + line_end for row in rows))


def _sql_literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return f"'{value}'" if isinstance(value, str) else str(int(value))


def _copy_text(value: Any) -> str:
    return "\\N" if value is None else str(value)


def _defaults(table: str, columns: Sequence[str]) -> dict[str, Any]:
    """Return the defaults of a table's other columns: NULL if that is allowed."""
    model = next(model for model in apps.get_models() if model._meta.db_table == table)
    return {
        field.column: None if field.null else field.get_default()
        for field in model._meta.concrete_fields
        if field.column not in columns and not field.primary_key
    }

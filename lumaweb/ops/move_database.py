"""A whole installation on its way from SQLite to PostgreSQL. The SQLite file stays where it was: an admin removes it.

Rows are read through Django, which knows what SQLite's texts mean, and written by COPY, which knows no defaults: what
arrives is what was there, primary keys and moments included.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, connections, models, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from videos.models import Generation, Heartbeat

SOURCE = "source"
BATCH = 2000
# Of one machine or one moment: whoever needs them makes them anew. Everybody signs in once more.
LEFT_BEHIND = {
    "sessions.session", "django_q.ormq", "django_q.task", "django_q.success", "django_q.failure", "django_q.schedule",
    "videos.heartbeat", "videos.lease", "videos.rollup", "videos.rollupmark", "videos.histogram",
    "axes.accessattempt", "axes.accesslog", "axes.accessfailurelog", "axes.accessattemptexpiration",
}  # fmt: skip


class CrossingRefused(Exception):
    """Nothing was changed; the message is for the admin."""


@contextmanager
def opened(path: Path) -> Iterator[None]:
    """Have the SQLite file at hand as the database SOURCE. Raises CrossingRefused where it is no such file."""
    if not path.is_file():
        raise CrossingRefused(f"There is no file {path}. Name the SQLite file of the installation with --from.")
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


def cross(say: Callable[[str], None]) -> dict[str, int]:
    """Copy everything from SOURCE into the empty PostgreSQL database; rows by table. All of it, or nothing.

    What waits to be sent is held, here and in the file that is left, and what was being sent is in doubt here: the
    same request must not go out from both. Raises CrossingRefused, and what the databases raise.
    """
    _refuse_unless_it_fits()
    call_command("migrate", interactive=False, verbosity=0)
    tables = [model for model in apps.get_models(include_auto_created=True) if _is_moved(model)]
    counts = {}
    with transaction.atomic():
        with connection.cursor() as cursor:
            # What the migrations have made here is in the file as well.
            names = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in tables)
            cursor.execute(f"TRUNCATE {names} CASCADE")
        for model in tables:
            counts[model._meta.db_table] = copied = _copy(model)
            if copied:
                say(f"{model._meta.db_table}: {copied:,}")
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for sql in connection.ops.sequence_reset_sql(no_style(), tables):
                cursor.execute(sql)
        # The file first: were we stopped between the two, the old installation would only have to be released.
        held_there = Generation.objects.using(SOURCE).filter(state="queued", held_at__isnull=True)
        held_there.update(held_at=timezone.now(), changed_at=timezone.now(), version=models.F("version") + 1)
        held, doubted = Generation.objects.hold_after_restore()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return counts | {"held": held, "unconfirmed": doubted}


def _refuse_unless_it_fits() -> None:
    if connection.vendor != "postgresql":
        raise CrossingRefused("DATABASE_URL names no PostgreSQL database. Set it to the new, empty one.")
    if set(connection.introspection.table_names()) - {"django_migrations"}:
        if "videos_member" not in connection.introspection.table_names():
            raise CrossingRefused("There are tables in this database already. Let DATABASE_URL name an empty one.")
        if apps.get_model("videos.Member").objects.exists():
            raise CrossingRefused("There are members in this database already. Let DATABASE_URL name an empty one.")
    applied = set(MigrationRecorder(connections[SOURCE]).applied_migrations())
    ours = {key for key in applied if key[0] == "videos"}
    known = _migrations()
    if ours - known:
        raise CrossingRefused("The file is of a newer Lumaweb. Update this one first.")
    if known - ours:
        raise CrossingRefused(
            "The file is of an older Lumaweb. Without DATABASE_URL, run `manage.py migrate` on it first."
        )
    if Heartbeat.objects.using(SOURCE).lately().exists():
        raise CrossingRefused("This installation is running, or was a minute ago. Stop it first, then try again.")


def _migrations() -> set[tuple[str, str]]:
    folder = Path(settings.BASE_DIR) / "videos" / "migrations"
    return {("videos", path.stem) for path in folder.glob("[0-9]*.py")}


def _is_moved(model: type[models.Model]) -> bool:
    return model._meta.managed and not model._meta.proxy and model._meta.label_lower not in LEFT_BEHIND


def _copy(model: type[models.Model]) -> int:
    """Copy one table; how many rows there were. Raises CrossingRefused where fewer arrived."""
    fields = model._meta.concrete_fields
    quoted = ", ".join(connection.ops.quote_name(field.column) for field in fields)
    names = [field.attname for field in fields]
    rows = model._base_manager.using(SOURCE).order_by("pk").values_list(*names).iterator(BATCH)
    count = 0
    with connection.cursor() as cursor:
        table = connection.ops.quote_name(model._meta.db_table)
        with cursor.cursor.copy(f"COPY {table} ({quoted}) FROM STDIN") as copy:
            while batch := list(islice(rows, BATCH)):
                for row in batch:
                    copy.write_row(
                        [
                            field.get_db_prep_save(value, connection) if value is not None else None
                            for field, value in zip(fields, row, strict=True)
                        ]
                    )
                count += len(batch)
    arrived = model._base_manager.count()
    there = model._base_manager.using(SOURCE).count()
    if not count == arrived == there:
        raise CrossingRefused(f"{model._meta.db_table}: {there} rows in the file, {arrived} arrived. Nothing was kept.")
    return count

"""Compare the migrations of the database with those of this code."""

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def pending_migrations() -> list[str]:
    """Return the migrations of this code that are not applied, as "app.name"."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def newer_migrations() -> list[str]:
    """Return the applied migrations that this code does not have, as "app.name"."""
    known = known_migrations()
    apps = {app for app, _ in known}
    applied = MigrationRecorder(connection).applied_migrations()
    return sorted(f"{app}.{name}" for app, name in applied if app in apps and (app, name) not in known)


def known_migrations() -> set[tuple[str, str]]:
    """Return the migrations of this code, as (app, name); a squashed one counts as those that it replaces too."""
    migrations = MigrationLoader(None).disk_migrations or {}
    return set(migrations) | {key for migration in migrations.values() for key in migration.replaces}

"""Compare the migrations of the database with those of this code."""

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader


def pending_migrations() -> list[str]:
    """Return the migrations of this code that are not applied, as "app.name"."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def known_migrations() -> set[tuple[str, str]]:
    """Return the migrations of this code, as (app, name)."""
    return set(MigrationLoader(None).disk_migrations or {})

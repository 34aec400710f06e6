"""Full-text search in prompts, on either database.

Prompts are folded in Python when they are written, so that the result does not depend on the database's case rules.
An index of trigrams (SQLite: FTS5, PostgreSQL: pg_trgm) finds any part of three or more characters.
"""

import unicodedata
from typing import Any

from django.db import connection, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler

# Shorter words are in no trigram index: they are searched in this many of the newest videos.
INDEXED_FROM = 3
NEWEST = 50_000
# Further words are ignored, as each costs a query of the index.
WORDS_AT_MOST = 16


def fold(text: str) -> str:
    """Return a text or query for comparison: without accents, case, compatibility forms and NUL characters.

    `static/js/folding.js` does the same for the lists of members and collections.
    """
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    letters = (letter for letter in decomposed if not unicodedata.category(letter).startswith("M"))
    return "".join(letters).replace("\0", " ")


def words_of(query: str) -> list[str]:
    """Return the distinct folded words of a query; quotes and operators are ordinary characters."""
    return list(dict.fromkeys(fold(query).split()))[:WORDS_AT_MOST]


def is_indexed(word: str) -> bool:
    return len(word) >= INDEXED_FROM


def is_partial(query: str) -> bool:
    """Whether a search for this covers the newest videos only."""
    words = words_of(query)
    return bool(words) and not any(is_indexed(word) for word in words)


class SearchIndex(models.Model):
    """SQLite's FTS5 table, by the generation's primary key; PostgreSQL has an index on the column instead."""

    generation = models.OneToOneField(
        "videos.Generation", primary_key=True, db_column="rowid", on_delete=models.DO_NOTHING, related_name="index"
    )
    search_text = models.TextField()

    class Meta:
        managed = False
        db_table = "videos_search"

    def __str__(self) -> str:
        return self.search_text[:60]


class SearchIndexRouter:
    """Keep the FTS5 table out of migrations of databases other than SQLite."""

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
        if (app_label, model_name) == ("videos", "searchindex"):
            return connections[db].vendor == "sqlite"
        return None


@SearchIndex._meta.get_field("search_text").register_lookup
class Match(models.Lookup):
    """FTS5's MATCH operator, for queries from `fts_query`."""

    lookup_name = "match"

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[str | int, ...]]:
        column, column_params = self.process_lhs(compiler, connection)
        value, value_params = self.process_rhs(compiler, connection)
        return f"{column} MATCH {value}", (*column_params, *value_params)


def fts_query(words: list[str]) -> str:
    """Quote each word, so that FTS5 finds no operators in it."""
    return " ".join('"{}"'.format(word.replace('"', '""')) for word in words)


TRIGGERS = {
    "videos_search_insert": """AFTER INSERT ON videos_generation BEGIN
        INSERT INTO videos_search(rowid, search_text) VALUES (new.id, new.search_text); END""",
    "videos_search_delete": """AFTER DELETE ON videos_generation BEGIN
        INSERT INTO videos_search(videos_search, rowid, search_text) VALUES ('delete', old.id, old.search_text); END""",
    "videos_search_update": """AFTER UPDATE OF search_text ON videos_generation BEGIN
        INSERT INTO videos_search(videos_search, rowid, search_text) VALUES ('delete', old.id, old.search_text);
        INSERT INTO videos_search(rowid, search_text) VALUES (new.id, new.search_text); END""",
}


def create_search_triggers(**kwargs: Any) -> None:
    """Create the triggers that fill the index, after each migration.

    Django alters a table on SQLite by creating a new one, and the triggers are dropped with the old one.
    """
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE name LIKE 'videos_search%' OR name = 'videos_generation'")
        there = {name for (name,) in cursor.fetchall()}
        if not {"videos_search", "videos_generation"} <= there:
            return  # on the way to an earlier state of the tables
        for name, body in TRIGGERS.items():
            if name not in there:
                cursor.execute(f"CREATE TRIGGER {name} {body}")

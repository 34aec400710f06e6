"""Finding a video by its words, on either database.

What is searched is the prompt, folded once when it is written, so that no database's own idea of upper and lower case
matters. An index of trigrams (SQLite: FTS5, PostgreSQL: pg_trgm) finds any piece of three characters or more.
"""

import unicodedata

from django.db import connection, connections, models

# Shorter words are in no index of trigrams; they are looked for in this many of the newest videos.
INDEXED_FROM = 3
NEWEST = 50_000
# A search of more words is no search; each costs a look into the index.
WORDS_AT_MOST = 16


def fold(text: str) -> str:
    """The form in which texts and queries are compared: compatible characters unified, case folded, no NUL."""
    return unicodedata.normalize("NFKC", text).casefold().replace("\0", " ")


def words_of(query: str) -> list[str]:
    """The words of a query, folded, each once; quotes and operators are characters like any other."""
    return list(dict.fromkeys(fold(query).split()))[:WORDS_AT_MOST]


def is_indexed(word: str) -> bool:
    return len(word) >= INDEXED_FROM


def is_partial(query: str) -> bool:
    """Whether a search for this looks at the newest videos only."""
    words = words_of(query)
    return bool(words) and not any(is_indexed(word) for word in words)


class SearchIndex(models.Model):
    """The FTS5 table of SQLite, by the name of its generation; PostgreSQL has an index on the column instead."""

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
    """A database router that leaves the table out where there is none, for one of a dump of PostgreSQL."""

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints) -> bool | None:
        if (app_label, model_name) == ("videos", "searchindex"):
            return connections[db].vendor == "sqlite"
        return None


@SearchIndex._meta.get_field("search_text").register_lookup
class Match(models.Lookup):
    """FTS5's MATCH, for texts that `fts_query` wrote."""

    lookup_name = "match"

    def as_sql(self, compiler, connection):
        column, column_params = self.process_lhs(compiler, connection)
        value, value_params = self.process_rhs(compiler, connection)
        return f"{column} MATCH {value}", [*column_params, *value_params]


def fts_query(words: list[str]) -> str:
    """All of these words, each as a quoted string, in which FTS5 knows no operators."""
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


def create_search_triggers(**kwargs) -> None:
    """After each migration: the triggers that fill the index.

    SQLite changes a table by making it anew, and drops its triggers with the old one.
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

from django.db import migrations

from videos.models.search import fold
from videos.models.state import nearest_ratio

BATCH = 500


def describe(apps, schema_editor):
    """What older videos lack: their folded words, and their shape."""
    Generation = apps.get_model("videos", "Generation")
    rows = Generation.objects.only(
        "prompt", "action", "aspect_ratio", "video_width", "video_height", "parent_id", "purged_at"
    ).order_by("pk")
    shapes = {}
    batch = []
    for row in rows.iterator(chunk_size=BATCH):
        asked = shapes.get(row.parent_id) or row.aspect_ratio or "16:9"
        row.shape = shapes[row.pk] = nearest_ratio(row.video_width, row.video_height) or asked
        row.search_text = fold(row.prompt)
        batch.append(row)
        if len(batch) == BATCH:
            Generation.objects.bulk_update(batch, ["shape", "search_text"])
            batch = []
    Generation.objects.bulk_update(batch, ["shape", "search_text"])


def index(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute(
            "CREATE VIRTUAL TABLE videos_search USING fts5("
            "search_text, content='videos_generation', content_rowid='id', tokenize='trigram')"
        )
        schema_editor.execute("INSERT INTO videos_search(videos_search) VALUES ('rebuild')")
    else:
        # Trusted since PostgreSQL 13: whoever owns the database may create it.
        schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        schema_editor.execute(
            "CREATE INDEX videos_generation_search ON videos_generation USING gin (search_text gin_trgm_ops)"
        )


def unindex(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        for name in ("insert", "update", "delete"):
            schema_editor.execute(f"DROP TRIGGER IF EXISTS videos_search_{name}")
        schema_editor.execute("DROP TABLE videos_search")
    else:
        schema_editor.execute("DROP INDEX videos_generation_search")


class Migration(migrations.Migration):
    """Search: FTS5 with the trigram tokenizer on SQLite, pg_trgm on PostgreSQL."""

    dependencies = [("videos", "0005_studio")]
    operations = [
        migrations.RunPython(describe, migrations.RunPython.noop),
        migrations.RunPython(index, unindex),
    ]

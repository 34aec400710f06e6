import unicodedata

from django.db import migrations

BATCH = 500
# The provider's aspect ratios when this migration was written, as width / height.
RATIOS = {"16:9": 16 / 9, "9:16": 9 / 16, "1:1": 1.0, "4:3": 4 / 3, "3:4": 3 / 4, "21:9": 21 / 9, "9:21": 9 / 21}


def fold(text):
    return unicodedata.normalize("NFKC", text).casefold().replace("\0", " ")


def nearest_ratio(width, height):
    if not width or not height:
        return ""
    return min(RATIOS, key=lambda word: abs(RATIOS[word] * height / width - 1))


def describe(apps, schema_editor):
    """Fill in the folded prompt and the aspect ratio of existing videos."""
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

import unicodedata

from django.db import migrations

BATCH = 1000


def fold(text):
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(letter for letter in decomposed if not unicodedata.category(letter).startswith("M")).replace("\0", " ")


def fold_accents(apps, schema_editor):
    """Fold the search texts of existing videos again, in batches, so that other processes can write between them."""
    Generation = apps.get_model("videos", "Generation")
    rows = Generation.objects.using(schema_editor.connection.alias).only("search_text").order_by("pk")
    last = 0
    while batch := list(rows.filter(pk__gt=last)[:BATCH]):
        last = batch[-1].pk
        changed = []
        for row in batch:
            if not row.search_text.isascii() and (folded := fold(row.search_text)) != row.search_text:
                row.search_text = folded
                changed.append(row)
        # A video may be deleted permanently meanwhile: its text must not come back.
        Generation.objects.filter(purged_at__isnull=True).bulk_update(changed, ["search_text"])


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("videos", "0033_share_lists")]

    operations = [migrations.RunPython(fold_accents, migrations.RunPython.noop, elidable=True)]

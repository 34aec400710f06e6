import unicodedata

from django.db import migrations, transaction

BATCH = 1000


def fold(text):
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(letter for letter in decomposed if not unicodedata.category(letter).startswith("M")).replace("\0", " ")


def fold_accents(apps, schema_editor):
    """Fold the search texts of existing videos again, in batches, so that other processes can write between them."""
    alias = schema_editor.connection.alias
    rows = apps.get_model("videos", "Generation").objects.using(alias)
    last = 0
    while batch := rows.filter(pk__gt=last).order_by("pk").values_list("pk", "search_text")[:BATCH]:
        with transaction.atomic(using=alias):
            for last, text in batch:
                if not text.isascii() and (folded := fold(text)) != text:
                    # Another process may have deleted the text meanwhile.
                    rows.filter(pk=last, search_text=text).update(search_text=folded)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("videos", "0033_share_lists")]

    operations = [migrations.RunPython(fold_accents, migrations.RunPython.noop, elidable=True)]

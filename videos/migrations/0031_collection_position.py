from typing import Any

from django.db import migrations, models
from django.db.models.functions import Lower


def number_by_name(apps: Any, schema_editor: Any) -> None:
    """Keep the order by name that the collections had; the team rearranges it."""
    Collection = apps.get_model("videos", "Collection")
    rows = list(Collection.objects.order_by(Lower("name")))
    for position, row in enumerate(rows, 1):
        row.position = position
    Collection.objects.bulk_update(rows, ["position"], batch_size=500)


class Migration(migrations.Migration):
    """Let the team arrange its collections. A process of the version before creates them in front."""

    dependencies = [("videos", "0030_hold_reason")]

    operations = [
        # SQL that both databases run in place.
        migrations.RunSQL(
            "ALTER TABLE videos_collection ADD COLUMN position bigint NOT NULL DEFAULT 0",
            "ALTER TABLE videos_collection DROP COLUMN position",
            state_operations=[
                migrations.AddField(
                    "collection",
                    "position",
                    models.BigIntegerField(
                        db_default=0,
                        default=0,
                        editable=False,
                        help_text="Its place in the order that the team arranged; the smallest is first.",
                    ),
                ),
            ],
        ),
        migrations.RunPython(number_by_name, migrations.RunPython.noop),
    ]

from django.db import migrations, models

SIZES = [("small", "Small"), ("medium", "Medium"), ("large", "Large")]


class Migration(migrations.Migration):
    """Add the color of posters, which the ticker fills in for existing ones, and each member's size of the cards."""

    dependencies = [("videos", "0031_collection_position")]

    operations = [
        # SQL that both databases run in place: Django would rebuild SQLite's tables and drop the triggers of the search.
        migrations.RunSQL(
            "ALTER TABLE videos_generation ADD COLUMN poster_color varchar(7) NOT NULL DEFAULT ''",
            "ALTER TABLE videos_generation DROP COLUMN poster_color",
            state_operations=[
                migrations.AddField(
                    "generation",
                    "poster_color",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        editable=False,
                        help_text="The poster's dominant color, as #rrggbb; empty if it is not known.",
                        max_length=7,
                    ),
                ),
            ],
        ),
        migrations.RunSQL(
            "ALTER TABLE videos_member ADD COLUMN card_size varchar(6) NOT NULL DEFAULT 'medium'",
            "ALTER TABLE videos_member DROP COLUMN card_size",
            state_operations=[
                migrations.AddField(
                    "member",
                    "card_size",
                    models.CharField(
                        choices=SIZES,
                        db_default="medium",
                        default="medium",
                        help_text="The size of the cards in the gallery.",
                        max_length=6,
                    ),
                ),
            ],
        ),
    ]

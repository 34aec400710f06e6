from django.db import migrations, models

REASONS = [
    ("", "not recorded"),
    ("restore", "a restore, or a move of the database"),
    ("provider", "a change of the provider"),
    ("media", "a move of the media"),
]


class Migration(migrations.Migration):
    """Record why a queued video is held. Rows held before have no reason and are treated as held since a restore."""

    dependencies = [("videos", "0029_external_identities")]

    operations = [
        # SQL that both databases run in place: Django would rebuild SQLite's table and drop the triggers of the search.
        migrations.RunSQL(
            "ALTER TABLE videos_generation ADD COLUMN hold_reason varchar(10) NOT NULL DEFAULT ''",
            "ALTER TABLE videos_generation DROP COLUMN hold_reason",
            state_operations=[
                migrations.AddField(
                    "generation",
                    "hold_reason",
                    models.CharField(
                        blank=True,
                        choices=REASONS,
                        db_default="",
                        default="",
                        editable=False,
                        help_text="Why it is held, which tells whether it may have been sent before.",
                        max_length=10,
                    ),
                ),
            ],
        ),
    ]

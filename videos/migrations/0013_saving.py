from django.db import migrations, models

COLUMNS = {
    "archive_worker": (
        "varchar(100) NOT NULL DEFAULT ''",
        models.CharField(
            blank=True, db_default="", default="", editable=False, help_text="Which worker saves it now.", max_length=100
        ),
    ),
    "archive_deaths": (
        "smallint NOT NULL DEFAULT 0 CHECK (archive_deaths >= 0)",
        models.PositiveSmallIntegerField(
            db_default=0, default=0, editable=False, help_text="How many workers died while they saved it."
        ),
    ),
    "archive_error": (
        "varchar(40) NOT NULL DEFAULT ''",
        models.CharField(
            blank=True,
            db_default="",
            default="",
            help_text="What the last attempt to save it ended with.",
            max_length=40,
        ),
    ),
    "archive_message": (
        "varchar(500) NOT NULL DEFAULT ''",
        models.CharField(blank=True, db_default="", default="", max_length=500),
    ),
}


class Migration(migrations.Migration):
    dependencies = [("videos", "0012_asked_of")]
    operations = [
        # In words of our own, which both databases do at once: Django would write SQLite's table anew, and lose the
        # triggers that feed the search.
        migrations.RunSQL(
            f"ALTER TABLE videos_generation ADD COLUMN {name} {kind}",
            f"ALTER TABLE videos_generation DROP COLUMN {name}",
            state_operations=[migrations.AddField("generation", name, field)],
        )
        for name, (kind, field) in COLUMNS.items()
    ] + [
        migrations.AlterField(
            "generation",
            "archive_attempts",
            models.PositiveIntegerField(default=0, help_text="Begun since it was last saved, or given up."),
        ),
    ]

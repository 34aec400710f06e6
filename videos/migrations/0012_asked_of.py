from django.db import migrations, models

HELP = "The provider in charge when it was asked for: no other may charge for it. Empty: any may."


class Migration(migrations.Migration):
    dependencies = [("videos", "0011_meters")]
    operations = [
        # In words of our own, which both databases do at once: Django would write SQLite's table anew, and lose the
        # triggers that feed the search.
        migrations.RunSQL(
            "ALTER TABLE videos_generation ADD COLUMN asked_of varchar(300) NOT NULL DEFAULT ''",
            "ALTER TABLE videos_generation DROP COLUMN asked_of",
            state_operations=[
                migrations.AddField(
                    "generation",
                    "asked_of",
                    models.CharField(
                        blank=True, db_default="", default="", editable=False, help_text=HELP, max_length=300
                    ),
                ),
            ],
        ),
    ]

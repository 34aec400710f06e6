import django.db.models.deletion
from django.db import migrations, models

OUTCOMES = [
    ("", "not searched yet"),
    ("not_found", "no such task"),
    ("offered", "tasks to choose from"),
    ("unavailable", "no list of tasks"),
]


class Migration(migrations.Migration):
    dependencies = [("videos", "0014_uploaded_frames")]
    operations = [
        # In words that both databases execute at once: Django would write SQLite's table anew, and lose the triggers that
        # feed the search.
        migrations.RunSQL(
            "ALTER TABLE videos_generation ADD COLUMN search_outcome varchar(12) NOT NULL DEFAULT ''",
            "ALTER TABLE videos_generation DROP COLUMN search_outcome",
            state_operations=[
                migrations.AddField(
                    "generation",
                    "search_outcome",
                    models.CharField(
                        blank=True,
                        choices=OUTCOMES,
                        db_default="",
                        default="",
                        editable=False,
                        help_text="In doubt: what the latest search at the provider has brought.",
                        max_length=12,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="FoundTask",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "provider",
                    models.CharField(help_text="The address of the API that listed it.", max_length=300),
                ),
                ("task_id", models.CharField(max_length=200)),
                ("prompt", models.TextField(blank=True)),
                ("status", models.CharField(blank=True, max_length=10)),
                ("created_at", models.DateTimeField(null=True)),
                ("seen_at", models.DateTimeField()),
                ("candidate_for", models.ManyToManyField(related_name="found_tasks", to="videos.generation")),
                (
                    "token",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="found_tasks", to="videos.apitoken"
                    ),
                ),
            ],
            options={
                "ordering": ["created_at", "pk"],
                "constraints": [
                    models.UniqueConstraint(fields=("provider", "task_id"), name="one_found_task_for_a_task")
                ],
            },
        ),
    ]

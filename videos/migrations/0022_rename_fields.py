import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

# By model: the old name, which the column keeps, the new name, and the field.
FIELDS = {
    "generation": [
        ("ask_at", "next_poll_at", models.DateTimeField(
            db_column="ask_at", null=True,
            help_text="When to look the task up, or search for it, unless a result comes first.",
        )),
        ("asked", "poll_count", models.PositiveIntegerField(
            db_column="asked", default=0, help_text="How often the task was looked up.",
        )),
        ("asked_of", "provider_base_url", models.CharField(
            blank=True, db_column="asked_of", db_default="", default="", editable=False, max_length=300,
            help_text="The provider it was requested of, by its base URL: no other may charge for it. Empty: any may.",
        )),
        ("via", "result_channel", models.CharField(
            blank=True, db_column="via", max_length=10,
            help_text="How the final result came: answer, callback or sweep.",
        )),
        ("task_via", "task_id_channel", models.CharField(
            blank=True, db_column="task_via", db_default="", default="", max_length=10,
            help_text="The most trusted source of the task id: answer, sweep or callback.",
        )),
    ],
    "member": [
        ("sign_ins", "session_version", models.PositiveIntegerField(
            db_column="sign_ins", default=0, editable=False, help_text="Incremented to end all earlier sessions.",
        )),
    ],
    "rollupmark": [
        ("marks", "fingerprints", models.JSONField(db_column="marks", default=dict)),
        ("number", "version", models.PositiveBigIntegerField(db_column="number", default=0)),
        ("looked_through", "verified_from", models.DateField(
            db_column="looked_through", null=True,
            help_text="The first day of the part that was last verified against the rows.",
        )),
    ],
    "temporarylink": [
        ("clip", "video", models.ForeignKey(
            db_column="clip_id", null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+",
            to="videos.generation",
        )),
    ],
}  # fmt: skip


class Migration(migrations.Migration):
    """Rename fields in Django's state only.

    The columns keep their names and no SQL runs, so that processes of the last release work beside those of this one.
    """

    dependencies = [("videos", "0021_reword_help_texts")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveConstraint("temporarylink", "temporary_link_is_for_one_thing"),
                migrations.RemoveIndex("generation", "generation_ask"),
                *(
                    operation
                    for model, fields in FIELDS.items()
                    for old, new, field in fields
                    for operation in (
                        migrations.RenameField(model, old, new),
                        migrations.AlterField(model, new, field),
                    )
                ),
                migrations.AddIndex(
                    "generation",
                    models.Index(
                        fields=["next_poll_at"], condition=Q(next_poll_at__isnull=False), name="generation_ask"
                    ),
                ),
                migrations.AddConstraint(
                    "temporarylink",
                    models.CheckConstraint(
                        condition=Q(frame__isnull=True, video__isnull=False)
                        | Q(frame__isnull=False, video__isnull=True),
                        name="temporary_link_is_for_one_thing",
                    ),
                ),
            ]
        ),
    ]

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("videos", "0013_saving")]
    operations = [
        # In words that both databases execute at once: Django would write SQLite's table anew, and lose the triggers that
        # feed the search.
        migrations.RunSQL(
            "ALTER TABLE videos_generation ADD COLUMN uploading boolean NOT NULL DEFAULT false",
            "ALTER TABLE videos_generation DROP COLUMN uploading",
            state_operations=[
                migrations.AddField(
                    "generation",
                    "uploading",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        editable=False,
                        help_text="Claimed, and its frames are uploaded first.",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            "apitoken",
            "uploads_refused_at",
            models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            "apitoken",
            "uploads_refusal",
            models.CharField(blank=True, db_default="", default="", editable=False, max_length=300),
        ),
        migrations.CreateModel(
            name="UploadedFrame",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("url", models.CharField(max_length=4000)),
                ("endpoint", models.CharField(max_length=400)),
                ("uploaded_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                (
                    "frame",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="uploads", to="videos.frame"
                    ),
                ),
                (
                    "token",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="uploaded_frames", to="videos.apitoken"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["expires_at"], name="uploaded_frame_expires")],
                "constraints": [
                    models.UniqueConstraint(fields=("frame", "token"), name="one_upload_of_a_frame_for_a_token")
                ],
            },
        ),
    ]

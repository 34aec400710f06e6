from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class AddIndexOnline(AddIndexConcurrently):
    """Build the index without blocking writes on PostgreSQL, and as usual on SQLite."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        else:
            migrations.AddIndex.database_forwards(self, app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
        else:
            migrations.AddIndex.database_backwards(self, app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("videos", "0026_storage")]
    operations = [
        AddIndexOnline(
            model_name="generation",
            index=models.Index(
                fields=["size_bytes", "trashed_at", "purged_at"],
                condition=models.Q(size_bytes__isnull=False),
                name="generation_sizes",
            ),
        ),
        AddIndexOnline(
            model_name="generation",
            index=models.Index(
                fields=["id"],
                condition=models.Q(choice="rejected", trashed_at__isnull=True),
                name="generation_rejected",
            ),
        ),
    ]

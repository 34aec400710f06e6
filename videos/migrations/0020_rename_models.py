import django.db.models.deletion
from django.db import migrations, models

TABLES = {
    "Bounce": ("GatewayRejection", "videos_bounce"),
    "Change": ("AuditEntry", "videos_change"),
    "Leftover": ("OrphanedFile", "videos_leftover"),
    "Meter": ("Histogram", "videos_meter"),
    "Terms": ("Pricing", "videos_terms"),
}


class Migration(migrations.Migration):
    """Rename models in Django's state only.

    The tables keep their names and no SQL runs, so that processes of the last release work beside those of this one.
    Nobody holds permissions for these models: they are in no admin page, and Lumaweb's admins are superusers.
    """

    dependencies = [("videos", "0019_email_changed_at")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                operation
                for old, (new, table) in TABLES.items()
                for operation in (
                    migrations.AlterModelTable(old, table),
                    migrations.RenameModel(old, new),
                )
            ]
            + [
                migrations.AlterField(
                    "gatewayrejection",
                    field,
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="gateway_rejections", to=to
                    ),
                )
                for field, to in (("generation", "videos.generation"), ("token", "videos.apitoken"))
            ]
        ),
    ]

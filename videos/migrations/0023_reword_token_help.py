import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """Reword a help text, which the database does not store: no SQL runs."""

    dependencies = [("videos", "0022_rename_fields")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    "apitoken",
                    "max_in_flight",
                    models.PositiveIntegerField(
                        "at the same time",
                        default=5,
                        help_text="How many videos this token may have in progress at the same time. The provider's "
                        "own limit is 5 unless your account has another; if this number is higher, Lumaweb finds the "
                        "provider's limit.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(10000),
                        ],
                    ),
                ),
            ]
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("videos", "0017_circuit")]

    operations = [
        migrations.CreateModel(
            name="StepFailure",
            fields=[
                ("name", models.CharField(max_length=50, primary_key=True, serialize=False)),
                ("error", models.CharField(help_text="The name of the exception's class.", max_length=100)),
                ("since", models.DateTimeField()),
                ("at", models.DateTimeField()),
            ],
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('videos', '0018_step_failures'),
    ]

    operations = [
        migrations.AddField(
            model_name='member',
            name='email_changed_at',
            field=models.DateTimeField(editable=False, help_text='When they changed their address; null once an admin confirmed it.', null=True),
        ),
    ]

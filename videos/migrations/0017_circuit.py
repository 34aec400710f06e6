import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('videos', '0016_task_via'),
    ]

    operations = [
        migrations.AddField(
            model_name='apitoken',
            name='accepted_at',
            field=models.DateTimeField(editable=False, help_text='Of the latest request that was accepted.', null=True),
        ),
        migrations.AddField(
            model_name='apitoken',
            name='clear_at',
            field=models.DateTimeField(editable=False, help_text='Of the latest clear answer.', null=True),
        ),
        migrations.AddField(
            model_name='apitoken',
            name='doubts',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text='Ambiguous answers in a row.'),
        ),
        migrations.AddField(
            model_name='apitoken',
            name='effective_limit',
            field=models.PositiveIntegerField(editable=False, help_text='Videos at the same time, as far as the provider lets them be made.', null=True),
        ),
        migrations.AddField(
            model_name='apitoken',
            name='limit_changed_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='apitoken',
            name='pauses',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text='In a row; each is twice as long as the one before.'),
        ),
        migrations.AddField(
            model_name='apitoken',
            name='probe',
            field=models.CharField(blank=True, choices=[('', 'nothing'), ('look_up', 'a look-up, then one request'), ('request', 'one request')], db_default='', default='', editable=False, max_length=8),
        ),
        migrations.AddField(
            model_name='apitoken',
            name='ramp',
            field=models.PositiveIntegerField(db_default=2, default=2, editable=False, help_text='POSTs at once while clear answers are fresh.'),
        ),
        migrations.AddField(
            model_name='apitoken',
            name='refusals',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text='Rows in a row that were refused without a known reason.'),
        ),
        migrations.AddField(
            model_name='apitoken',
            name='refused_row',
            field=models.BigIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='apitoken',
            name='sending',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text='POSTs that are not answered yet.'),
        ),
        migrations.AddField(
            model_name='generation',
            name='callback_sent',
            field=models.BooleanField(help_text='Whether the provider was told where to call back.', null=True),
        ),
        migrations.AddField(
            model_name='generation',
            name='error_status',
            field=models.PositiveSmallIntegerField(help_text="HTTP status of the POST's error.", null=True),
        ),
        migrations.AlterField(
            model_name='apitoken',
            name='max_in_flight',
            field=models.PositiveIntegerField(default=5, help_text="How many videos may be in the making with this token at the same time. The provider's own limit is 5 unless your account has another; it is found out where this number is higher.", validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(10000)], verbose_name='at the same time'),
        ),
        migrations.CreateModel(
            name='Bounce',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(help_text='The first time.')),
                ('generation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='bounces', to='videos.generation')),
                ('token', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='bounces', to='videos.apitoken')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('generation', 'token'), name='one_bounce_for_a_token')],
            },
        ),
    ]

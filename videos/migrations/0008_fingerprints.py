from django.db import migrations

from videos.models.request import LINKS, SWITCHES, fingerprint_of

ASKED = ("action", "prompt", "aspect_ratio", "source_video_id", "source_video_url", *LINKS, *SWITCHES)
LINKED = ("parent", "start_frame", "end_frame")


def know_the_requests(apps, schema_editor):
    """What was made before can be recognised too; what was deleted for good has nothing left to be known by."""
    Generation = apps.get_model("videos", "Generation")
    rows = Generation.objects.filter(fingerprint="", purged_at__isnull=True)
    batch = []
    for row in rows.iterator(chunk_size=500):
        asked = {name: getattr(row, name) for name in ASKED}
        row.fingerprint = fingerprint_of(asked | {name: getattr(row, f"{name}_id") for name in LINKED})
        batch.append(row)
        if len(batch) == 500:
            Generation.objects.bulk_update(batch, ["fingerprint"])
            batch = []
    Generation.objects.bulk_update(batch, ["fingerprint"])


class Migration(migrations.Migration):
    dependencies = [("videos", "0007_team")]
    operations = [migrations.RunPython(know_the_requests, migrations.RunPython.noop)]

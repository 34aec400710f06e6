import hashlib
import json
import unicodedata
from urllib.parse import urlsplit, urlunsplit

from django.db import migrations

SWITCHES = ("enhancement", "loop")
LINKS = ("start_image_url", "end_image_url")
ASKED = ("action", "prompt", "aspect_ratio", "source_video_id", "source_video_url", *LINKS, *SWITCHES)
LINKED = ("parent", "start_frame", "end_frame")


def normalised(prompt):
    return " ".join(unicodedata.normalize("NFKC", prompt).casefold().split())


def same_link(link):
    try:
        parts = urlsplit(link)
        port = parts.port
    except ValueError:
        return link
    if not parts.hostname:
        return link
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    default = {"http": 80, "https": 443}.get(parts.scheme)
    place = f"{user}{host}" if port in (None, default) else f"{user}{host}:{port}"
    return urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))


def fingerprint_of(asked):
    extends = asked.get("action", "generate") == "extend"
    source, *frames = [getattr(row, "pk", row) for row in map(asked.get, ("parent", "start_frame", "end_frame"))]
    facts = {
        "prompt": normalised(asked.get("prompt", "")),
        "frames": frames,
        "links": [same_link(asked.get(name, "")) for name in LINKS],
        "switches": [bool(asked.get(name, name == "enhancement")) for name in SWITCHES],
        "shape": "" if extends else asked.get("aspect_ratio", "16:9"),
        "source": (source or _named(asked)) if extends else None,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _named(asked):
    video_id = asked.get("source_video_id", "")
    return [video_id, "" if video_id else same_link(asked.get("source_video_url", ""))]


def know_the_requests(apps, schema_editor):
    """Compute the fingerprint of existing rows, except those whose prompt was deleted permanently."""
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

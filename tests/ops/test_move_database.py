"""Move from SQLite to a real PostgreSQL with the command."""

import json
import subprocess
import sys

import pytest

from ..support import servers
from ..support.installation import ROOT, Installation

pytestmark = pytest.mark.servers

SETTLE = """
from videos.models import Generation
from videos.reports.rollup_pass import roll_up
rows = Generation.objects
rows.filter(pk=rows.filter(state="queued").order_by("pk").first().pk).update(state="submitting")
print(rows.filter(state="queued").count(), rows.filter(state="submitting").count())
"""

ALL = """
import hashlib, json
from django.apps import apps
from lumaweb.ops.move_database import is_copied
from videos.models import Generation
found = {}
for model in apps.get_models(include_auto_created=True):
    if is_copied(model):
        names = [field.attname for field in model._meta.concrete_fields]
        if model is Generation:
            # What holding and doubting a row changes.
            names = [name for name in names if name not in (
                "state", "version", "changed_at", "held_at", "hold_reason", "next_poll_at", "error_code",
                "error_message")]
        lines = [repr(row) for row in model._base_manager.order_by("pk").values_list(*names)]
        if model._meta.label_lower not in ("videos.event", "videos.apitoken"):
            found[model._meta.label_lower] = [len(lines), hashlib.sha256("\\n".join(lines).encode()).hexdigest()]
print(json.dumps(found))
"""

AFTER = """
import json
from django.contrib.auth import authenticate
from videos.models import ApiToken, Event, Generation, Member, Submission
new = Submission.objects.open(Member.objects.get(username="ada"), "00000000-0000-4000-8000-000000000001", 1, prompt="x")
print(json.dumps({
    "secret": [token.secret for token in ApiToken.objects.order_by("pk")],
    "next": len(Generation.objects.next_to_submit(10)),
    "held": Generation.objects.held().count(), "submitting": Generation.objects.filter(state="submitting").count(),
    "newest": new[0].generations.get().pk, "rows": Generation.objects.count(),
    "found": Generation.objects.for_gallery().search("harbour").count(),
}))
"""


def run(site: Installation, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=site.env, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def old(tmp_path) -> Installation:
    """Start an installation on SQLite with 400 videos in all states, some of them queued."""
    site = Installation(tmp_path / "site", **servers.SECRETS | {"DATABASE_URL": "", "REDIS_URL": ""})
    site.folder.mkdir()
    site.migrate()
    subprocess.run([sys.executable, "-m", "tests.million", "400"], cwd=ROOT, env=site.env, check=True)
    queued, sending = map(int, site.python(SETTLE).split())
    assert queued >= 2 and sending == 1
    site.queued = queued
    return site


def on_postgresql(site: Installation) -> Installation:
    moved = Installation(site.folder, **servers.SECRETS | {"DATABASE_URL": servers.a_database()})
    return moved


def test_all_rows_are_moved_and_nothing_is_sent_automatically(old):
    before = json.loads(old.python(ALL))
    new = on_postgresql(old)
    done = run(new, "move_database")
    assert done.returncode == 0, done.stderr
    assert f"Held: {old.queued} queued." in done.stdout and "being sent: 1." in done.stdout
    assert json.loads(new.python(ALL)) == before
    found = json.loads(new.python(AFTER))
    assert found["secret"] == [f"sandbox-million-{number}" for number in range(3)]
    # The one that is new, and no other.
    assert (found["next"], found["held"], found["submitting"]) == (1, old.queued, 0)
    assert (found["newest"], found["rows"]) == (401, 401), "the numbers go on behind the last one"
    assert found["found"] > 20, "the search knows what arrived"
    nobody = old.python("from videos.models import Generation\nprint(len(Generation.objects.next_to_submit(10)))")
    assert nobody == "0", "what is left behind sends nothing either"
    again = run(new, "move_database")
    assert again.returncode == 1 and "There are members in this database already" in again.stderr


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("Heartbeat.stamp('lumaweb')", "Stop it first"),
        ("MigrationRecorder(connection).record_applied('videos', '9999_later')", "newer Lumaweb"),
        ("MigrationRecorder(connection).record_unapplied('videos', '0009_created')", "older Lumaweb"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_changes_nothing(old, spoil, words):
    old.python(
        "from django.db import connection\nfrom django.db.migrations.recorder import MigrationRecorder\n"
        f"from videos.models import Heartbeat\n{spoil}"
    )
    new = on_postgresql(old)
    done = run(new, "move_database")
    assert done.returncode == 1 and words in done.stderr
    waiting = "from videos.models import Generation\nprint(Generation.objects.waiting_to_submit().count())"
    assert int(old.python(waiting)) == old.queued


def test_a_missing_file_and_an_invalid_target_are_refused(old, tmp_path):
    done = run(on_postgresql(old), "move_database", "--from", str(tmp_path / "nothing.sqlite3"))
    assert done.returncode == 1 and "There is no file" in done.stderr
    done = run(old, "move_database")
    assert done.returncode == 1 and "names no PostgreSQL database" in done.stderr

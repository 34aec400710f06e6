"""Exercise the whole installation and search everything it leaves behind for secrets."""

import io
import json
import re
import sys
from dataclasses import replace

import pytest
from django.apps import apps
from django.conf import global_settings
from django.conf import settings as installation
from django.core.management import call_command
from django.db import models
from django.test import RequestFactory
from django.urls import reverse
from django.views.debug import get_exception_reporter_class
from django_q.models import OrmQ

from lumaweb.logs import RedactingFormatter, redact
from videos.jobs import queue, results, sweep

from ..support.endpoints import Team, addresses, path_of
from ..support.factories import a_generation, failure
from ..support.secrets import MARKER, found_in, secrets_of

# URL parameters that are secrets.
KEYS = {"key", "token"}

# Pages whose purpose is to show a link, which opens for everybody who has it.
LINKS = {"share link", "share link to several videos"}
SHOWN = dict.fromkeys(("shares-of", "shares", "own-shares", "shares-of-collection"), LINKS) | {"guest": LINKS}

# A form may be posted to the URL of its page.
OWN_ADDRESS = {"invitation": {"invitation"}}


# ── Within one process ───────────────────────────────────────────────────────────────────────────────────────────────


def test_every_secret_url_is_redacted():
    with_keys = [address for address in addresses() if KEYS & set(address.parameters)]
    assert {"callback", "provider-frame", "provider-video"} <= {address.name for address in with_keys}
    for address in with_keys:
        row = "9b2f0e0c-0000-4000-8000-000000000000"
        path = reverse(address.name, kwargs={name: MARKER if name in KEYS else row for name in address.parameters})
        for line in (path, f"Not Found: {path}", f"'{path}?x=1'", f"<a href='https://x.example{path}'>", f"{path}, x"):
            assert MARKER not in redact(line), f"{address.name}: say in lumaweb/logs.py that its path is a secret"


@pytest.mark.parametrize("words", ["Bearer {}", "authorization: bearer {}", "{{'authorization': 'Bearer {}'}}"])
def test_a_bearer_token_is_redacted(words):
    assert MARKER not in redact(words.format(MARKER))


@pytest.mark.django_db
def test_no_page_shows_a_secret(settings):
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS  # the product's, whose name this test looks for
    team = Team()
    secrets, pages = secrets_of(team), 0
    for who in ("nobody", "colleague", "author", "admin"):
        client = team.client(who)
        session = {} if who == "nobody" else {"session": client.cookies[installation.SESSION_COOKIE_NAME].value}
        for address in addresses():
            for headers in ({}, {"HX-Request": "true"}):
                answer = client.get(path_of(address, team), headers=headers)
                if answer.streaming or not answer.content:
                    continue
                pages += 1
                body = answer.content.decode()
                found = set(found_in(body, secrets | session))
                shown = SHOWN.get(address.name, set()) | OWN_ADDRESS.get(address.name, set())
                assert not found - shown, f"{address.name} as {who}: {found}"
                assert "pbkdf2" not in body.replace("<strong>algorithm</strong>: <bdi>pbkdf2_sha256</bdi>", "")
                assert not {name for name in answer.headers if MARKER in answer[name]}
    assert pages > 150


@pytest.mark.django_db
def test_a_dump_of_the_database_holds_no_secret_but_the_sessions():
    team = Team()
    client = team.client("author")
    session = client.cookies[installation.SESSION_COOKIE_NAME].value
    out = io.StringIO()
    call_command("dumpdata", exclude=["sessions"], stdout=out)
    assert len(json.loads(out.getvalue())) > 50
    assert not found_in(out.getvalue(), secrets_of(team) | {"session": session})
    assert bytes(team.token.encrypted).startswith(b"gAAAA") and team.token.secret not in str(team.token.encrypted)


@pytest.mark.django_db
def test_the_provider_s_texts_are_stored_without_secrets():
    team = Team()
    words = (
        f"cannot call https://films.example.com/callbacks/luma/{team.at_work.uuid}/{team.callback_key}/ nor read "
        f"https://films.example.com/frames/{team.frame_key}.jpg as Bearer {team.token.secret}"
    )
    team.at_work.record(failure("task-9"), "callback")
    other = a_generation(team.ada)
    other.claim()
    other.record(replace(failure("task-10"), error_message=words), "callback")
    team.token.back_off(words, seconds=60)
    team.token.disable("invalid", words)
    stored = "\n".join(text for model in apps.get_models() for text in texts_of(model))
    assert "cannot call" in stored and not found_in(stored, secrets_of(team))


def texts_of(model) -> list[str]:
    words = models.CharField | models.TextField
    names = [field.attname for field in model._meta.concrete_fields if isinstance(field, words)]
    if model._meta.app_label == "sessions" or not model._meta.managed or not names:
        return []
    return [str(value) for row in model.objects.values_list(*names) for value in row]


@pytest.mark.embedded
@pytest.mark.django_db
def test_the_queue_holds_only_primary_keys_and_cluster_names(django_capture_on_commit_callbacks):
    team = Team()
    author = team.client("author")
    with django_capture_on_commit_callbacks(execute=True):
        author.post("/generations/", {"prompt": "A lighthouse"})
        author.post(reverse("retries", args=[team.failed.uuid]))
        author.post(reverse("deletion", args=[team.trashed.uuid]))
        results.record_result(team.at_work, failure("task-9"), "callback")
        queue.enqueue_heartbeats()
        sweep.sweep()
    waiting = [row.task for row in OrmQ.objects.all()]
    assert len(waiting) > 3
    for task in waiting:
        clusters = (queue.SUBMIT_CLUSTER, queue.MEDIA_CLUSTER)
        assert all(isinstance(argument, int) or argument in clusters for argument in task["args"]), task
        assert not task.get("kwargs"), task


# ── Error reports ────────────────────────────────────────────────────────────────────────────────────────────────────


def a_report(team: Team, request, kind: str) -> str:
    """Return Django's error report for a failure while a request is sent to the provider."""
    try:
        claim = team.queued.claim()
        secret, headers = claim.token.secret, {"authorization": f"Bearer {claim.token.secret}"}
        asked = team.queued.request(claim, {})
        raise RuntimeError(f"{asked.callback_url} was refused, {len(secret)} {len(headers)}")
    except RuntimeError:
        reporter = get_exception_reporter_class(request)(request, *sys.exc_info())
        return getattr(reporter, f"get_traceback_{kind}")()


@pytest.mark.django_db
@pytest.mark.parametrize("debug", [False, True], ids=["production", "debugging"])
@pytest.mark.parametrize("kind", ["html", "text"])
def test_an_error_report_holds_no_secret(settings, kind, debug):
    settings.DEBUG = debug
    settings.DATABASE_URL = f"postgres://lumaweb:{MARKER}@db.example/lumaweb"
    settings.REDIS_URL = f"redis://:{MARKER}@redis.example"
    settings.Q_CLUSTER = installation.Q_CLUSTER | {"redis": settings.REDIS_URL}
    settings.FIRST_TOKEN = settings.ADMIN_PASSWORD = settings.EMAIL_HOST_PASSWORD = MARKER
    settings.MAIL = ("mail.example", 587, "lumaweb", MARKER, True, False)
    team = Team()
    request = RequestFactory().post(
        reverse("callback", args=[team.at_work.uuid, team.callback_key]) + f"?password={'x' * 3}",
        {"secret": MARKER, "password1": MARKER, "anything": MARKER},
        headers={"cookie": f"{installation.SESSION_COOKIE_NAME}={MARKER}", "authorization": f"Bearer {MARKER}"},
    )
    request.META["HTTP_REFERER"] = f"https://x.example/frames/{team.frame_key}.jpg"
    request.user = team.ada
    report = a_report(team, request, kind)
    assert "RuntimeError" in report and "a_report" in report
    assert not found_in(report, secrets_of(team) | {"what was typed, or is set": MARKER})
    # The address that this claim, and no other, was given:
    assert not re.search(r"callbacks/luma/[0-9a-f-]{36}/(?!\[redacted\])", report)


@pytest.mark.django_db
@pytest.mark.parametrize("debug", [False, True], ids=["production", "debugging"])
def test_an_error_response_and_its_log_hold_no_secret(settings, debug, caplog):
    settings.DEBUG, settings.ROOT_URLCONF = debug, "tests.support.broken_urls"
    team = Team()
    client = team.client("admin")
    client.raise_request_exception = False
    session = client.cookies[installation.SESSION_COOKIE_NAME].value
    answer = client.post(f"/broken/?next=/frames/{team.frame_key}.jpg", {"password": MARKER})
    assert answer.status_code == 500
    line = RedactingFormatter("%(message)s")
    logged = "\n".join(line.format(record) for record in caplog.records)
    assert "RuntimeError" in logged
    said = answer.content.decode() + logged
    assert not found_in(said, secrets_of(team) | {"session": session, "typed": MARKER, "local": "marked-in-the-fault"})

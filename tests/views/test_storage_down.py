"""Responses to members and to the provider while nothing can be stored."""

import errno
import json
import re
import sqlite3
import time

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError, ProgrammingError, connection
from django.utils import timezone

from lumaweb.storage_errors import StorageProblem, storage_problem
from videos.models import Generation
from videos.views.missed_callbacks import LIMIT, Missed, MissedCallbacks, missed_callbacks

from ..support.database_outages import TOO_LONG_FOR_A_FULL_DISK, full, locked, read_only
from ..support.factories import a_generation, a_member, a_token, running

PROMPT = "A red fox\nruns <b>over</b> the snow"


@pytest.fixture
def impatient(monkeypatch):
    """Shorten the wait for the write lock."""
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.2)
    connection.close()
    yield
    connection.close()


@pytest.fixture
def ada(client, transactional_db):
    client.force_login(member := a_member())
    client.get("/")
    client.raise_request_exception = False
    return member


def request_one(client, **headers):
    fields = {"prompt": PROMPT, "action": "generate", "aspect_ratio": "9:16", "timeout": "300", "loop": "on"}
    return client.post("/generations/", fields, headers=headers)


@pytest.mark.embedded
@pytest.mark.parametrize(
    ("broken", "words"),
    [(locked, "locked for too long"), (full, "the disk is full"), (read_only, "cannot be written to")],
    ids=["locked", "full", "read only"],
)  # fmt: skip
def test_a_form_that_cannot_be_stored_is_shown_again_with_a_message(client, ada, impatient, broken, words):
    a_token()
    with broken():
        answer = client.post(
            "/generations/", {"prompt": TOO_LONG_FOR_A_FULL_DISK, "action": "generate", "aspect_ratio": "9:16"}
        )
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    page = answer.content.decode()
    assert words in page
    assert "runs &lt;b&gt;over&lt;/b&gt; the snow" in page
    assert 'name="aspect_ratio" value="9:16"' in page
    assert not Generation.objects.exists()


@pytest.mark.embedded
def test_a_resubmitted_form_creates_the_video_once_storage_works(client, ada, impatient):
    a_token()
    with locked():
        page = request_one(client).content.decode()
    assert re.search(r'<form [^>]*method="post" action="/generations/">', page)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
    del fields["csrfmiddlewaretoken"]
    assert client.post("/generations/", fields | {"prompt": PROMPT}).status_code == 302
    made = Generation.objects.get()
    assert (made.aspect_ratio, made.loop) == ("9:16", True)


@pytest.mark.embedded
def test_with_htmx_the_form_stays_and_a_message_is_shown(client, ada, impatient):
    a_token()
    with locked():
        answer = request_one(client, **{"HX-Request": "true"})
    assert answer.status_code == 503
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.content.decode().startswith("Lumaweb could not save this: another process has kept the database")


@pytest.mark.embedded
def test_a_script_gets_json(client, ada, impatient):
    a_token()
    with locked():
        answer = request_one(client, Accept="application/json")
    assert "locked" in answer.json()["error"]


@pytest.mark.embedded
@pytest.mark.parametrize("action", ["retries", "trash", "cancellation", "star", "choice"])
def test_every_other_form_is_answered_with_a_message(client, ada, impatient, action):
    a_token()
    generation = a_generation(ada)
    Generation.objects.update(state="failed" if action in ("retries", "trash") else "queued")
    with locked():
        answer = client.post(f"/generations/{generation.uuid}/{action}/", {"choice": "picked"})
    assert answer.status_code == 503
    assert "could not save this" in answer.content.decode()


@pytest.mark.embedded
def test_no_password_is_written_into_the_page(client, transactional_db, impatient):
    member = a_member()
    member.set_password("correct-horse-9")
    member.save()
    client.raise_request_exception = False
    with locked():
        answer = client.post("/login/", {"username": "ada", "password": "correct-horse-9"})
    assert answer.status_code == 503
    assert 'name="username" value="ada"' in answer.content.decode()
    assert "correct-horse-9" not in answer.content.decode()


def test_a_page_that_cannot_be_read_says_so_and_links_to_a_retry(client, ada, monkeypatch):
    def away(*args, **more):
        raise OperationalError("server closed the connection") from Away()

    monkeypatch.setattr("videos.views.studio._studio_page", away)
    answer = client.get("/?q=fox")
    assert answer.status_code == 503
    assert "the database does not answer" in answer.content.decode()
    assert 'href="/?q=fox"' in answer.content.decode()


def test_an_internal_error_is_still_a_500(client, ada, monkeypatch):
    monkeypatch.setattr("videos.views.studio._studio_page", lambda *args, **more: 1 / 0)
    assert client.get("/").status_code == 500


class Away(Exception):
    """The error of psycopg without its server; psycopg need not be installed."""

    sqlstate = None


Away.__name__ = "OperationalError"


def caused(kind, cause) -> Exception:
    error = kind("wrapped")
    error.__cause__ = cause
    return error


def of_sqlite(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("in its words")
    error.sqlite_errorcode = code
    return error


def of_postgresql(state: str | None) -> Away:
    error = Away()
    error.sqlstate = state
    return error


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (caused(OperationalError, of_sqlite(5)), StorageProblem.LOCKED),
        (caused(OperationalError, of_sqlite(5 | 2 << 8)), StorageProblem.LOCKED),
        (caused(OperationalError, of_sqlite(13)), StorageProblem.FULL),
        (caused(OperationalError, of_sqlite(8)), StorageProblem.READ_ONLY),
        (caused(OperationalError, of_sqlite(10 | 3 << 8)), StorageProblem.UNAVAILABLE),
        (caused(OperationalError, of_sqlite(1)), None),  # no such table
        (caused(IntegrityError, of_sqlite(19)), None),
        (caused(OperationalError, of_postgresql("53100")), StorageProblem.FULL),
        (caused(OperationalError, of_postgresql("57P01")), StorageProblem.UNAVAILABLE),
        (caused(OperationalError, of_postgresql("55P03")), StorageProblem.LOCKED),
        (caused(OperationalError, of_postgresql("25006")), StorageProblem.READ_ONLY),
        (caused(InterfaceError, of_postgresql(None)), StorageProblem.UNAVAILABLE),
        (caused(ProgrammingError, of_postgresql("42P01")), None),
        (OSError(errno.ENOSPC, "no space"), StorageProblem.FULL),
        (FileNotFoundError(errno.ENOENT, "none"), None),
        (ValueError("ours"), None),
        (None, None),
    ],
)  # fmt: skip
def test_storage_errors_are_distinguished_from_other_errors(error, problem):
    assert storage_problem(error) is problem


# ── Callbacks ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def claimed(transactional_db):
    a_token(base_url="http://127.0.0.1:8801")
    generation = a_generation()
    claim = generation.claim()
    yield generation, "/" + claim.callback_url.split("/", 3)[3]
    missed_callbacks._waiting.clear()


def call_back(client, path, **body):
    return client.post(path, json.dumps(body), content_type="application/json")


def wait_for(condition, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.embedded
def test_a_callback_that_cannot_be_stored_is_answered_503_and_looked_up_later(client, claimed, impatient):
    _, path = claimed
    with locked():
        answer = call_back(client, path, task_id="task-1", state="completed", video_url="https://cdn.example.com/v.mp4")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    wait_for(lambda: Generation.objects.get().task_id == "task-1")
    wait_for(lambda: not len(missed_callbacks))
    row = Generation.objects.get()
    # Looked up by the sweep, with our token: what the callback said of the video is not taken from memory.
    assert (row.state, row.video_url) == ("processing", "")
    assert row.next_poll_at <= timezone.now()


@pytest.mark.embedded
def test_a_known_task_whose_callback_was_missed_is_looked_up_at_once(client, claimed, impatient):
    generation, path = claimed
    generation.record(running("task-1"), "answer")
    with locked():
        assert call_back(client, path, task_id="another", state="failed").status_code == 503
    wait_for(lambda: Generation.objects.get().next_poll_at <= timezone.now())
    assert Generation.objects.get().task_id == "task-1"


@pytest.mark.embedded
def test_a_missed_callback_with_a_wrong_key_changes_nothing(client, claimed, impatient, monkeypatch):
    _, path = claimed
    monkeypatch.setattr(
        "videos.views.provider_endpoints._record_callback",
        lambda *args: (_ for _ in ()).throw(caused(OperationalError, of_sqlite(5))),
    )
    wrong = path.rsplit("/", 2)[0] + "/guessed/"
    assert call_back(client, wrong, task_id="forged").status_code == 503
    wait_for(lambda: not len(missed_callbacks))
    assert Generation.objects.get().task_id == ""


def test_the_memory_for_missed_callbacks_is_bounded(claimed, monkeypatch):
    generation, _ = claimed
    monkeypatch.setattr("threading.Thread.start", lambda self: None)
    notes = MissedCallbacks()
    for number in range(LIMIT + 10):
        notes.add(Missed(generation.uuid, f"key {number}", "task"))
    assert len(notes) == LIMIT


@pytest.mark.embedded
def test_a_callback_waits_for_the_lock_no_longer_than_the_provider_waits(client, claimed, monkeypatch):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 60)
    monkeypatch.setattr("videos.views.provider_endpoints.CALLBACK_WAIT", 0.2)
    began = time.monotonic()
    with locked():
        assert call_back(client, claimed[1], task_id="task-1").status_code == 503
    assert time.monotonic() - began < 5

"""Health and readiness, also when something hangs."""

import re
import threading
import time

import pytest
from django.conf import settings as installation
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage, storages
from django.db import connection
from django.utils import timezone

from lumaweb.deadline import SingleFlight, TimedOut
from lumaweb.ops import health
from videos import self_test
from videos.models import Heartbeat

# Each check runs in its own thread, which sees only committed rows.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh_storage_check():
    health.STORAGE.reset()
    yield
    health.STORAGE.reset()


@pytest.fixture
def workers():
    Heartbeat.stamp("lumaweb")
    Heartbeat.stamp("media")


def test_health_needs_no_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/healthz").json() == {"ok": True}


def test_health_proves_the_installation_s_identity(client, settings):
    proof = client.get("/healthz?nonce=abc").json()["proof"]
    assert proof == self_test.proof(b"abc")
    settings.SECRET_KEY = "another installation's"
    assert client.get("/healthz?nonce=abc").json()["proof"] != proof


@pytest.mark.parametrize("nonce", ["", "%00", "%ff%fe", "x" * 5000, "%F0%9F%A6%8A"])
def test_health_answers_any_nonce(client, nonce):
    assert client.get(f"/healthz?nonce={nonce}").status_code == 200


def test_readiness_names_failures(client):
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert set(answer.json()["problems"]) == {"worker", "media worker"}
    Heartbeat.stamp("lumaweb")
    Heartbeat.stamp("media")
    assert client.get("/readyz").json() == {"ok": True, "problems": {}}
    Heartbeat.objects.update(at=timezone.now() - timezone.timedelta(minutes=2))
    assert client.get("/readyz").status_code == 503


def test_a_machine_without_workers_is_ready_if_others_have_some(client, workers, settings, tmp_path):
    settings.DATA_DIR = tmp_path / "a separate web server"
    assert not Heartbeat.objects.on_this_machine("lumaweb").exists()
    assert client.get("/readyz").status_code == 200


def test_a_failed_readiness_check_is_not_logged(client, caplog):
    assert client.get("/readyz").status_code == 503
    assert not caplog.records


def test_a_database_that_is_not_migrated_is_not_ready(client, workers, monkeypatch):
    monkeypatch.setattr(health, "_are_migrations_known", False)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE django_migrations SET app = 'gone' WHERE app = 'videos' AND name ="
            " (SELECT max(name) FROM django_migrations WHERE app = 'videos')"
        )
    try:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["problems"] == {
            "migrations": "The database is not migrated to this version: run manage.py migrate."
        }
    finally:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE django_migrations SET app = 'videos' WHERE app = 'gone'")
    assert client.get("/readyz").status_code == 200


def test_a_missing_table_is_reported_without_its_name(client, workers):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE videos_heartbeat RENAME TO gone")
    try:
        answer = client.get("/readyz")
        assert answer.status_code == 503 and "heartbeat" not in answer.content.decode()
        assert re.fullmatch(r"The database returned an error: \w+Error\.", answer.json()["problems"]["database"])
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO videos_heartbeat")


def test_readiness_reports_whole_days_without_a_heartbeat(client, workers):
    Heartbeat.objects.update(at=timezone.now() - timezone.timedelta(days=1, seconds=5))
    silence = int(re.search(r"for (\d+) s", client.get("/readyz").json()["problems"]["worker"])[1])
    assert 86405 <= silence < 86500


@pytest.fixture
def stored_in(settings):
    """Keep media in another storage."""

    def stored_in(**storage) -> None:
        settings.STORAGES = installation.STORAGES | {"default": storage}

    yield stored_in


def test_an_unwritable_storage_is_not_ready_and_its_path_is_hidden(client, workers, stored_in, tmp_path):
    (tmp_path / "a-file").write_text("in the place of a folder")
    stored_in(BACKEND="django.core.files.storage.FileSystemStorage", OPTIONS={"location": tmp_path / "a-file"})
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert set(answer.json()["problems"]) == {"storage"}
    assert answer.json()["problems"]["storage"].startswith("Media cannot be written: ")
    assert str(tmp_path) not in answer.content.decode()


LET_GO = threading.Event()


class HangingStorage(FileSystemStorage):
    """A storage that hangs, like a lost network disk."""

    def _save(self, name, content):
        LET_GO.wait(20)
        raise OSError("let go")


def test_a_hanging_storage_does_not_delay_the_response(client, workers, stored_in):
    stored_in(BACKEND="tests.views.test_health.HangingStorage")
    for _ in range(2):
        began = time.monotonic()
        answer = client.get("/readyz")
        assert time.monotonic() - began < 5
        assert answer.status_code == 503
        assert answer.json()["problems"]["storage"].startswith("The storage has not answered for ")
    LET_GO.set()


def test_concurrent_requests_share_one_write_of_the_probe(client, workers, stored_in, tmp_path):
    stored_in(BACKEND="tests.views.test_health.CountingStorage", OPTIONS={"location": tmp_path})
    for _ in range(3):
        assert client.get("/readyz").status_code == 200
    assert len(storages["default"].written) == 1
    assert not list(tmp_path.rglob("ready*")), "what was written is taken away"


class CountingStorage(FileSystemStorage):
    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.written = []

    def _save(self, name, content):
        self.written.append(name)
        return super()._save(name, content)


def test_concurrent_requests_share_one_thread():
    hangs = threading.Event()
    asked = []

    def ask() -> bytes:
        asked.append(1)
        hangs.wait(60)
        return b"x"

    call = SingleFlight(ask)
    for _ in range(3):
        with pytest.raises(TimedOut):
            call.result(0.05)
    assert len(asked) == 1
    hangs.set()
    assert call.result(20) == b"x"


def test_an_error_of_the_probe_is_raised_to_every_caller():
    def ask() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        SingleFlight(ask).result(5)


def test_a_failure_is_not_cached():
    answers = iter([0, 0, 1, 2])
    call = SingleFlight(lambda: next(answers), max_age=100, is_cacheable=bool)
    assert [call.result(5) for _ in range(4)] == [0, 0, 1, 1]
    call.reset()
    assert call.result(5) == 2


def test_the_probe_does_not_touch_stored_files(client, workers):
    name = default_storage.save("probe/ready", ContentFile(b"somebody's"))
    try:
        assert client.get("/readyz").status_code == 200
        assert default_storage.open(name).read() == b"somebody's"
    finally:
        default_storage.delete(name)

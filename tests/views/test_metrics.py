"""Metrics for Prometheus, readable with the token only."""

import threading
import time
from datetime import timedelta

import httpx
import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from lumaweb.environment.variables import monitoring
from videos import tasks
from videos.jobs import queue
from videos.models import Generation, Heartbeat, Histogram, Lease, ProviderAccount, StepFailure, histogram, status
from videos.models.provider_account import Reading
from videos.reports.rollup_pass import roll_up

from ..support.endpoints import Team
from ..support.factories import a_generation, a_result, a_token, an_admin
from ..support.installation import Installation
from ..support.secrets import found_in, secrets_of
from ..support.stub_provider import StubProvider

# The numbers are read in a separate thread, which sees what is committed.
pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "marked-MARKED-marked-MARKED-marked"


@pytest.fixture(autouse=True)
def measuring(settings):
    """Measure, and write the measurements only when the test says so."""
    settings.METRICS_TOKEN, settings.METRICS_EVERY = TOKEN, 0
    histogram.write()
    Histogram.objects.all().delete()


def scraped() -> dict[tuple, float]:
    """Return every value by metric name and label values, in the order of the label names."""
    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.content
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return read(answer.content.decode())


def read(text: str) -> dict[tuple, float]:
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


# ── The door ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_metrics_token_the_page_does_not_exist(client, settings):
    settings.METRICS_TOKEN = ""
    for said in ("", "Bearer ", f"Bearer {TOKEN}"):
        answer = client.get("/metrics", headers={"Authorization": said})
        nowhere = client.get("/metrices", headers={"Authorization": said})
        assert answer.status_code == nowhere.status_code == 404 and answer.content == nowhere.content


@pytest.mark.parametrize("said", ["", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", "Bearer ü"])
def test_requests_without_the_token_are_refused(client, said):
    answer = client.get("/metrics", headers={"Authorization": said} if said else {})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert b"lumaweb_" not in answer.content and TOKEN not in answer.content.decode()


def test_an_admin_without_the_token_is_refused():
    assert Team().client("admin").get("/metrics").status_code == 401


@pytest.mark.parametrize("value", ["tiny", "x" * 19, "with space with space with", "x" * 201])
def test_a_weak_metrics_token_stops_the_start_and_is_not_shown(monkeypatch, value):
    monkeypatch.setenv("LUMAWEB_METRICS_TOKEN", value)
    with pytest.raises(ImproperlyConfigured) as stopped:
        monitoring.METRICS_TOKEN.value  # noqa: B018  (raises)
    assert "LUMAWEB_METRICS_TOKEN" in str(stopped.value) and value not in str(stopped.value)


def test_metrics_hold_no_names_and_no_secrets():
    team = Team()
    team.token.name = "Ada's private account"
    team.token.save()
    team.token.disable("invalid", f"refused as Bearer {team.token.secret}")
    client = Client()
    for key in (team.callback_key, "k" * 43):
        client.post(reverse("callback", args=[team.at_work.uuid, key]), "{", "application/json")
    histogram.write()
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    said = answer.content.decode()
    assert not found_in(said, secrets_of(team) | {"its own token": TOKEN})
    for private in ("private", '"ada', team.token.last_four, str(team.saved.uuid), "127.0.0.1"):
        assert private not in said


# ── What they say ─────────────────────────────────────────────────────────────────────────────────────────────


def test_generations_are_counted_by_state():
    Team()
    while not roll_up():
        pass
    a_generation()  # after the count
    now = scraped()
    for state in ("queued", "submitting", "processing", "unconfirmed", "completed", "failed", "canceled"):
        assert now["lumaweb_generations", state] == Generation.objects.filter(state=state).count(), state


def test_metrics_without_data_are_omitted():
    Team()
    now = scraped()
    assert ("lumaweb_generations", "queued") in now and ("lumaweb_generations", "completed") not in now


def test_queued_videos_are_counted_with_their_age():
    first, held = a_generation(), a_generation()
    a_generation()
    Generation.objects.filter(pk=first.pk).update(created_at=timezone.now() - timedelta(seconds=100))
    Generation.objects.filter(pk=held.pk).update(held_at=timezone.now(), created_at=timezone.now() - timedelta(days=9))
    now = scraped()
    assert (now["lumaweb_waiting",], now["lumaweb_held",]) == (2, 1)
    assert 100 <= now["lumaweb_waiting_oldest_seconds",] < 200
    Generation.objects.update(state="canceled")
    assert scraped()["lumaweb_waiting_oldest_seconds",] == 0


def test_unsaved_videos_are_counted_with_their_age():
    a_token()
    generation = a_generation()
    generation.claim()
    generation.record(a_result(), "callback")
    Generation.objects.update(finished_at=timezone.now() - timedelta(seconds=300))
    now = scraped()
    assert now["lumaweb_unsaved",] == 1 and 300 <= now["lumaweb_unsaved_oldest_seconds",] < 400


def test_each_token_has_one_state_and_is_labelled_by_its_id(settings):
    tokens = {word: a_token(max_in_flight=7) for word in ("ok", "limited", "used_up", "invalid", "paused")}
    tokens["limited"].back_off("busy", seconds=60)
    tokens["used_up"].disable("used_up", "spent")
    tokens["invalid"].disable("invalid", "wrong")
    tokens["paused"].set_enabled(False)
    a_generation().claim()
    now = scraped()
    for word, token in tokens.items():
        said = {condition: now["lumaweb_token_condition", condition, str(token.pk)] for condition in status.CONDITIONS}
        assert said == {condition: float(condition == word) for condition in status.CONDITIONS}
        assert now["lumaweb_token_in_flight_limit", str(token.pk)] == 7
    assert now["lumaweb_token_in_flight", str(tokens["ok"].pk)] == 1
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert scraped()["lumaweb_token_condition", "unreadable", str(tokens["ok"].pk)] == 1


def test_an_expired_pause_is_not_reported():
    token = a_token()
    token.back_off("busy", seconds=-1)
    token.refresh_from_db()
    assert status.condition_of(token, timezone.now()) == "ok"


def test_the_heartbeat_s_age_is_the_newest_of_all_machines(settings, tmp_path):
    assert ("lumaweb_heartbeat_age_seconds", "lumaweb") not in scraped()
    Heartbeat.stamp("lumaweb")
    Heartbeat.objects.update(at=timezone.now() - timedelta(seconds=90))
    now = scraped()
    assert 90 <= now["lumaweb_heartbeat_age_seconds", "lumaweb"] < 190
    assert (now["lumaweb_machines_alive", "lumaweb"], now["lumaweb_machines_alive", "media"]) == (0, 0)
    settings.DATA_DIR = tmp_path / "another machine"
    Heartbeat.stamp("lumaweb")
    now = scraped()
    assert now["lumaweb_heartbeat_age_seconds", "lumaweb"] < 60 and now["lumaweb_machines_alive", "lumaweb"] == 1


def test_the_queue_s_length_is_reported_by_cluster():
    before = scraped()
    queue.enqueue_heartbeats(3)
    now = scraped()
    for cluster in ("lumaweb", "media"):
        assert now["lumaweb_queue_length", cluster] - before["lumaweb_queue_length", cluster] == 3


# ── What is measured ──────────────────────────────────────────────────────────────────────────────────────────


def test_callbacks_are_measured_by_status_and_verdict(client):
    team = Team()
    path = reverse("callback", args=[team.at_work.uuid, team.callback_key])
    told = '{"success": true, "task_id": "task-9", "video_url": "https://example.com/v.mp4"}'
    other = '{"success": true, "task_id": "another", "video_url": "https://example.com/v.mp4"}'
    for where, body in ((path, told), (path, told), (path, other), (path, "{"), (path[:-2] + "/", told)):
        client.post(where, body, "application/json")
    histogram.write()
    now = scraped()
    answers = {status: now["lumaweb_callback_seconds_count", status] for status in ("204", "400", "404")}
    assert answers == {"204": 2, "400": 1, "404": 2}
    verdicts = {word: now["lumaweb_news_seconds_count", "callback", word] for word in ("recorded", "known", "refused")}
    assert verdicts == {"recorded": 1, "known": 1, "refused": 1}
    buckets = [value for (name, *labels), value in now.items() if name == "lumaweb_callback_seconds_bucket"]
    assert now["lumaweb_callback_seconds_bucket", "+Inf", "204"] == 2 and len(buckets) == 3 * (
        len(histogram.BOUNDS) + 1
    )
    assert now["lumaweb_callback_seconds_sum", "204"] > 0


def test_the_provider_s_answers_are_measured_by_outcome():
    provider = StubProvider()
    a_token(base_url=provider.url)
    a_generation()
    tasks.drain()
    provider.shutdown()
    provider.server_close()
    a_generation()
    tasks.drain()
    histogram.write()
    now = scraped()
    assert now["lumaweb_provider_post_seconds_count", "accepted"] == 1
    assert now["lumaweb_provider_post_seconds_count", "not_sent"] >= 1


def test_nothing_is_measured_without_a_metrics_token(settings, client):
    settings.METRICS_TOKEN = ""
    client.post(reverse("callback", args=["9b2f0e0c-0000-4000-8000-000000000000", "k" * 43]), "{", "application/json")
    histogram.write()
    assert not Histogram.objects.exists()


def test_measurements_of_all_processes_are_summed():
    """All processes write their values at the same moment."""
    several = [histogram.Counted() for _ in range(4)]

    def work(counted: histogram.Counted) -> None:
        for _ in range(5):
            for outcome in ("accepted", "refused"):
                counted.observe("post", outcome, 0.02)
            counted.write()
        connections.close_all()

    threads = [threading.Thread(target=work, args=[counted]) for counted in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    now = scraped()
    for outcome in ("accepted", "refused"):
        assert now["lumaweb_provider_post_seconds_count", outcome] == 20
        assert now["lumaweb_provider_post_seconds_sum", outcome] == pytest.approx(0.4)
        assert now["lumaweb_provider_post_seconds_bucket", "0.01", outcome] == 0
        assert now["lumaweb_provider_post_seconds_bucket", "0.025", outcome] == 20


def test_bucket_bounds_are_inclusive():
    counted = histogram.Counted()
    for seconds in (0.005, 0.0051, 30.0, 31.0):
        counted.observe("post", "accepted", seconds)
    counted.write()
    row = Histogram.objects.get()
    assert (row.counts[0], row.counts[1], row.counts[-2], row.counts[-1]) == (1, 1, 1, 1)
    assert row.buckets()[-1] == ("+Inf", 4) and row.buckets()[0] == ("0.005", 1)


def test_an_empty_installation_has_the_basic_metrics():
    now = scraped()
    assert [key for key in now if key[0] == "lumaweb_info"]
    assert now["lumaweb_held",] == 0


def test_one_scrape_covers_every_process_of_an_installation(tmp_path):
    """A worker sent the POST, one web process took the callback, and another may answer the scrape."""
    site = Installation(tmp_path / "site", LUMAWEB_METRICS_TOKEN=TOKEN)
    try:
        site.start()
        ada = site.visitor()
        ada.wait_until_saved(ada.submit(prompt="A lighthouse"))
        ask = {"url": f"{site.url}/metrics", "headers": {"Authorization": f"Bearer {TOKEN}"}, "trust_env": False}
        once = {
            ("lumaweb_provider_post_seconds_count", "accepted"),
            ("lumaweb_generations", "completed"),
            ("lumaweb_news_seconds_count", "callback", "recorded"),
        }
        end = time.monotonic() + 60
        while {(now := read(httpx.get(timeout=20, **ask).text)).get(name) for name in once} != {1}:
            assert time.monotonic() < end, now
            time.sleep(0.5)
        for _ in range(4):
            again = read(httpx.get(timeout=20, **ask).text)
            assert {again[name] for name in once} == {1}
    finally:
        site.stop()
    assert TOKEN not in site.log.read_text()


def test_an_error_counts_from_the_first_and_probes_do_not_count(client, settings):
    """A series that began with its first event would show Prometheus no increase."""
    now = scraped()
    assert now["lumaweb_http_seconds_count", "5xx"] == now["lumaweb_provider_post_seconds_count", "unclear"] == 0
    client.get("/nothing/here/")
    client.get("/healthz")
    histogram.write()
    now = scraped()
    counts = {kind: now["lumaweb_http_seconds_count", kind] for kind in ("2xx", "3xx", "4xx", "5xx")}
    assert sum(counts.values()) == 1 and counts["5xx"] == 0


def test_the_ticker_its_failing_steps_and_the_disks_are_reported(settings):
    assert scraped()["lumaweb_ticker_alive",] == 0
    assert Lease.objects.acquire("ticker", "here", 20)
    StepFailure.objects.note("usage", ValueError())
    now = scraped()
    assert now["lumaweb_ticker_alive",] == now["lumaweb_ticker_step_failing", "usage"] == 1
    assert 0 < now["lumaweb_disk_free_bytes", "data"] < now["lumaweb_disk_size_bytes", "data"]


def test_callbacks_are_expected_only_where_the_provider_has_an_address(settings):
    settings.PUBLIC_URL = ""
    token = a_token()
    assert scraped()["lumaweb_callbacks_expected",] == 0
    settings.PUBLIC_URL = "https://films.example.com"
    assert scraped()["lumaweb_callbacks_expected",] == 1
    token.set_enabled(False)
    assert scraped()["lumaweb_callbacks_expected",] == 0


def test_the_balance_is_reported_with_its_warning():
    assert ("lumaweb_balance_credits",) not in scraped()
    reading = Reading(12_500)
    account = ProviderAccount.objects.connect(
        "platform-x", "http://127.0.0.1:9", an_admin(), warn_below=50_000, reading=reading
    )
    now = scraped()
    assert (now["lumaweb_balance_credits",], now["lumaweb_balance_warning_credits",]) == (12.5, 50)
    assert now["lumaweb_balance_read_timestamp_seconds",] == pytest.approx(account.read_at.timestamp())
    assert ("lumaweb_balance_days",) not in now

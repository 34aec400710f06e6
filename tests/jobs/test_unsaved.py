"""Keep answers that the database does not accept in memory, in the spool and in the log."""

import asyncio
import json
import stat
import threading
import time
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection
from django_q.brokers import get_broker
from django_q.signing import SignedPackage

from videos import tasks
from videos.jobs import outcome_recorder, queue, spool, submit
from videos.jobs.outcome import Outcome
from videos.models import ApiToken, Generation
from videos.provider import ProviderError, Sent

from ..support.database_outages import lock, release
from ..support.factories import a_generation, a_result, an_error, running

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def room(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    settings.WORKERS_STOPPING = tmp_path / "workers-stopping"


@pytest.fixture
def impatient(monkeypatch):
    """Shorten the wait for the write lock, and use the spool at once."""
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.2)
    monkeypatch.setattr(outcome_recorder, "SPOOL_AFTER", 0.05)
    monkeypatch.setattr(outcome_recorder, "MAX_PAUSE", 0.2)
    connection.close()
    yield
    connection.close()


def wait_for(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


class Drain(threading.Thread):
    """Run a drain in a thread, and keep what it raised."""

    error: BaseException | None = None

    def run(self) -> None:
        try:
            tasks.drain()
        except BaseException as error:
            self.error = error
        finally:
            connection.close()


@pytest.fixture
def locked_out(stub, token, impatient):
    """Run a drain whose POSTs were accepted, while a lock keeps it from recording the answers."""
    held, answered = [], []

    def answer(path, body):
        with stub.lock:
            if not answered:
                held.append(lock())
            answered.append(body)
        return 200, {"task_id": f"task of {body['prompt']}"}

    stub.answer = answer
    drain = Drain()
    yield drain, held
    for other in held:
        release(other)
    drain.join(20)


def files() -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(spool.pending())]


@pytest.mark.embedded
def test_an_answer_waits_in_memory_and_in_the_spool_until_the_lock_is_gone(stub, locked_out):
    drain, held = locked_out
    generation = a_generation()
    drain.start()
    wait_for(lambda: files())
    assert [file["result"]["task_id"] for file in files()] == [f"task of {generation.prompt}"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in spool.pending()] == [0o600]
    assert files()[0]["result"]["request"] is None
    time.sleep(1)  # several tries
    assert drain.is_alive()
    release(held.pop())
    drain.join(20)
    generation.refresh_from_db()
    assert (generation.state, generation.task_id) == ("processing", f"task of {generation.prompt}")
    assert not files()
    assert drain.error is None
    assert len(stub.posts) == 1


@pytest.mark.embedded
def test_spooled_answers_survive_a_stop_and_are_recorded_at_the_next_start(stub, locked_out, settings):
    drain, held = locked_out
    rows = [a_generation(prompt=f"number {number}") for number in range(5)]
    # Not all are claimed before the lock.
    drain.start()
    wait_for(lambda: len(files()) == len(stub.posts) > 0)
    settings.WORKERS_STOPPING.touch()
    drain.join(20)
    assert not drain.is_alive()
    sent = len(stub.posts)
    assert len(files()) == sent
    release(held.pop())
    settings.WORKERS_STOPPING.unlink()
    assert outcome_recorder.recover_spool() == sent
    kept = Generation.objects.filter(state="processing")
    assert kept.count() == sent
    assert all(row.task_id == f"task of {row.prompt}" for row in kept)
    assert not files()
    tasks.drain()
    assert sorted(post["prompt"] for post in stub.posts) == sorted(row.prompt for row in rows), "sent twice"


@pytest.mark.embedded
def test_the_task_id_is_logged_if_the_spool_cannot_be_written(stub, locked_out, settings, tmp_path, caplog):
    drain, held = locked_out
    (tmp_path / "file").touch()
    settings.DATA_DIR = tmp_path / "file"  # in which there is no folder
    a_generation(prompt="logged")
    drain.start()
    wait_for(lambda: "task id task of logged: neither the database nor a file takes it" in caplog.text)
    release(held.pop())
    drain.join(20)
    assert Generation.objects.get().task_id == "task of logged"


@pytest.mark.embedded
def test_a_spooled_refusal_requeues_its_row(stub, token, impatient):
    held = []

    def answer(path, body):
        held.append(lock())
        return 429, {"error": {"code": "too_many_requests", "message": "slow down"}}

    stub.answer = answer
    a_generation()
    drain = Drain()
    drain.start()
    wait_for(lambda: files())
    release(held.pop())
    drain.join(20)
    assert Generation.objects.get().state == "queued"
    assert not files()


@pytest.mark.embedded
def test_a_request_that_could_not_be_prepared_is_sent_once_later(stub, token, impatient, monkeypatch):
    generation = a_generation()
    held, tried = [], []
    in_earnest = submit._ready_to_send

    def ready(*args):
        tried.append(args)
        if len(tried) == 1:
            held.append(lock())
            Generation.objects.update(prompt="never written")
        return in_earnest(*args)

    monkeypatch.setattr(submit, "_ready_to_send", ready)
    drain = Drain()
    drain.start()
    wait_for(lambda: files())
    assert not stub.posts
    release(held.pop())
    drain.join(20)
    tasks.drain()
    generation.refresh_from_db()
    assert (generation.state, len(stub.posts)) == ("processing", 1)
    assert generation.events.get(kind="returned").code == "storage_down"
    assert ApiToken.objects.get().in_flight == 1


def test_an_answer_that_the_database_rejects_does_not_block_its_worker(stub, token, monkeypatch):
    monkeypatch.setattr(outcome_recorder, "MAX_PAUSE", 0.01)
    monkeypatch.setattr(outcome_recorder, "_pauses", lambda: iter([0.01] * 9))

    def store():
        raise IntegrityError("a fault of ours")

    outcome = Outcome(uuid4(), 1, result=running("kept"))
    with pytest.raises(IntegrityError):
        asyncio.run(outcome_recorder.OutcomeRecorder(lambda: False).record(outcome, store))
    # For an admin, who can adopt the task by its id.
    assert [file["result"]["task_id"] for file in files()] == ["kept"]


# ── The spool ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(uuid4(), 3, result=running("task-1")),
        Outcome(uuid4(), 1, result=a_result("task-2", video_url="https://cdn.example.com/v.mp4?X-Amz-Signature=abc")),
        Outcome(uuid4(), 2, error=an_error("forbidden", Sent.REFUSED, status=403, trace_id="trace")),
        Outcome(uuid4(), 2, next_source=3, error=an_error("bad_request", Sent.REFUSED, status=400)),
        Outcome(uuid4(), 2, error=an_error("api_error", Sent.MAYBE, status=500, task_id="late")),
    ],
)  # fmt: skip
def test_a_spooled_outcome_is_read_back_unchanged(outcome):
    spool.write(outcome)
    [path] = spool.pending()
    again = spool.read(path)
    assert (again.uuid, again.attempt, again.next_source) == (outcome.uuid, outcome.attempt, outcome.next_source)
    assert again.result == outcome.result
    assert again.task_id == outcome.task_id
    if outcome.error:
        assert again.error and vars(again.error) == vars(outcome.error)
    spool.remove(outcome)
    assert not files()


def test_no_secret_is_written_into_the_spool():
    said = "no answer from https://films.example.com/callbacks/luma/0f7a/the-key/ with Bearer sk-secret"
    spool.write(Outcome(uuid4(), 1, error=ProviderError("api_error", said)))
    text = next(spool.pending()).read_text()
    assert "the-key" not in text
    assert "sk-secret" not in text


def claimed(token=None) -> Generation:
    generation = a_generation()
    assert generation.claim()
    return generation


def test_the_row_of_a_dead_worker_gets_its_task_id_from_the_spool(token):
    generation = claimed()
    spool.write(Outcome(generation.uuid, 1, result=running("task-1")))
    generation.mark_interrupted()
    tasks.beat("lumaweb")
    generation.refresh_from_db()
    assert (generation.state, generation.task_id) == ("processing", "task-1")
    assert not files()


def test_a_refusal_in_the_spool_does_not_undo_a_later_claim(token):
    generation = claimed()
    spool.write(Outcome(generation.uuid, 1, error=an_error("forbidden", Sent.REFUSED, status=403)))
    generation.refuse(an_error("too_many_requests", Sent.REFUSED, status=429))
    ApiToken.objects.update(health="ok", limited_until=None)
    assert generation.claim()
    assert outcome_recorder.recover_spool() == 1
    generation.refresh_from_db()
    assert (generation.state, generation.attempts) == ("submitting", 2)


def test_an_outcome_that_cannot_be_recorded_is_set_aside(token, caplog):
    generation = claimed()
    spool.write(Outcome(uuid4(), 1, result=running("of a row that a restore took back")))
    spool.folder().joinpath("garbage.json").write_text("[]")
    spool.write(Outcome(generation.uuid, 1, result=running("task-1")))
    assert outcome_recorder.recover_spool() == 1
    assert not files()
    assert len(list(spool.folder().glob("*.failed"))) == 2
    assert "kept as" in caplog.text
    generation.refresh_from_db()
    assert generation.task_id == "task-1"


@pytest.mark.embedded
def test_while_the_database_is_locked_the_spool_stays(token, impatient):
    generation = claimed()
    spool.write(Outcome(generation.uuid, 1, result=running("task-1")))
    other = lock()
    try:
        assert outcome_recorder.recover_spool() == 0
    finally:
        release(other)
    assert len(files()) == 1
    assert outcome_recorder.recover_spool() == 1


def test_a_drain_has_no_timeout(token):
    broker = get_broker(queue.SUBMIT_CLUSTER)
    broker.purge_queue()  # Redis keeps the calls of other tests
    queue.enqueue_drain()
    ((_, package),) = broker.dequeue()
    assert SignedPackage.loads(package)["timeout"] == -1

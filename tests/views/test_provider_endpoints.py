"""Public endpoints for the provider: callbacks and frames."""

import io
import json
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from lumaweb.logs import redact
from videos.models import Balance, Frame, Generation, State, TemporaryLink

from ..support.factories import a_generation, a_result, a_token, running
from ..support.installation import Installation

pytestmark = pytest.mark.django_db

GOLDEN = Path(__file__).resolve().parents[1] / "payloads"


@pytest.fixture
def claimed():
    """Return a running generation and the path of its callback."""
    a_token(base_url="http://127.0.0.1:8801")
    generation = a_generation()
    claim = generation.claim()
    return generation, "/" + claim.callback_url.split("/", 3)[3]


def a_body(**changes) -> dict:
    result = {
        "success": True,
        "task_id": "task-1",
        "video_id": "video-1",
        "prompt": "Astronauts",
        "video_url": "https://platform.cdn.acedata.cloud/luma/v.mp4",
        "video_width": 1360,
        "video_height": 752.0,
        "state": "completed",
        "thumbnail_url": "https://platform.cdn.acedata.cloud/luma/v.jpg",
        "thumbnail_width": 1360,
        "thumbnail_height": 752,
    }
    return result | changes


def post(client, path, body):
    data = body if isinstance(body, bytes | str) else json.dumps(body)
    return client.post(path, data, content_type="application/json")


def test_a_callback_is_recorded_with_every_field(client, claimed):
    generation, path = claimed
    answer = post(client, path, a_body())
    assert (answer.status_code, answer.content) == (204, b"")
    assert not answer.cookies
    generation.refresh_from_db()
    shown = {name: getattr(generation, name) for name in a_body() if name not in ("success", "prompt", "state")}
    assert shown == {name: value for name, value in a_body().items() if name in shown}
    assert (generation.result_success, generation.result_state) == (True, "completed")
    assert (generation.result_prompt, generation.result_channel) == ("Astronauts", "callback")


def test_a_repeated_callback_is_answered_204(client, claimed):
    _, path = claimed
    assert post(client, path, a_body()).status_code == 204
    assert post(client, path, a_body()).status_code == 204
    assert Generation.objects.get().events.filter(kind="completed").count() == 1


# With Redis the call is put there after the commit.
@pytest.mark.embedded
@pytest.mark.parametrize("breaks", [False, True])
def test_the_save_job_is_committed_with_the_result_or_not_at_all(client, claimed, monkeypatch, breaks):
    generation, path = claimed
    generation.record(running(), "answer")
    before = OrmQ.objects.count()
    if breaks:
        # The last thing that is written in that transaction.
        monkeypatch.setattr(Balance.objects, "follow", lambda *args: Balance.objects.raw("no such statement")[0])
        with pytest.raises(DatabaseError):
            post(client, path, a_body(task_id=generation.task_id))
    else:
        post(client, path, a_body(task_id=generation.task_id))
    generation.refresh_from_db()
    called = OrmQ.objects.count() - before
    assert (generation.state, called) == (("processing", 0) if breaks else ("completed", 1))


def test_unknown_callbacks_are_answered_alike(client, claimed):
    generation, path = claimed
    wrong_key = reverse("callback", args=[generation.uuid, "k" * 43])
    wrong_row = reverse("callback", args=["00000000-0000-4000-8000-000000000000", "k" * 43])
    generation.record(running("task-1"), "answer")
    answers = [
        post(client, wrong_key, a_body()),
        post(client, wrong_row, a_body()),
        post(client, wrong_key, "no json at all"),
        post(client, path, a_body(task_id="another")),
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "null",
        "17",
        '"text"',
        "{",
        b"\xff\xfe{}",
        '{"success": NaN}',
        '{"video_width": 1e999}',
        '{"video_width": Infinity}',
        '{"prompt": "\\ud800"}',
        '{"prompt": "a\\u0000b"}',
        '{"a":' * 5000 + "1" + "}" * 5000,
        "[" * 30000 + "]" * 30000,
        '{"video_width": ' + "9" * 5000 + "}",
    ],
    ids=lambda body: repr(body)[:30],
)
def test_garbage_is_a_400_and_changes_nothing(client, claimed, body):
    generation, path = claimed
    version = generation.version
    assert post(client, path, body).status_code == 400
    generation.refresh_from_db()
    assert (generation.state, generation.version) == ("submitting", version)


def test_a_body_over_64_kib_is_413(client, claimed):
    _, path = claimed
    assert post(client, path, a_body(prompt="x" * 70_000)).status_code == 413


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch", "head", "options"])
def test_other_methods_are_405(client, claimed, method):
    _, path = claimed
    assert getattr(client, method)(path).status_code == 405


def test_the_contract_s_example_completes_the_generation(client, claimed):
    generation, path = claimed
    example = GOLDEN / "callback_completed.json"
    body = json.loads(example.read_text())
    assert post(client, path, body).status_code == 204
    generation.refresh_from_db()
    assert generation.state == "completed"
    assert generation.video_url == body["video_url"]


def test_a_frame_is_public_while_its_generation_may_need_it(client):
    token = a_token(base_url="http://127.0.0.1:8801")
    member = a_generation().member
    name = default_storage.save("frames/x.jpg", ContentFile(b"\xff\xd8jpeg"))
    frame = Frame.objects.create(sha256="0" * 64, file=name, width=4, height=4, size_bytes=6, member=member)
    generation = a_generation(member, start_frame=frame)
    claim = generation.claim()
    request = generation.request(claim, {})
    path = request.start_image_url.removeprefix(token.public_url)
    assert path.startswith("/frames/")
    answer = client.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert b"".join(answer.streaming_content) == b"\xff\xd8jpeg"
    assert client.get("/frames/guess.jpg").status_code == 404
    generation.record(a_result(), "callback")
    assert client.get(path).status_code == 200, "the provider may read it a little later"
    Generation.objects.filter(pk=generation.pk).update(finished_at=timezone.now() - timezone.timedelta(hours=1))
    assert client.get(path).status_code == 404
    assert not TemporaryLink.objects.filter(key_hash__contains=path[8:20]).exists()


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ('"POST /callbacks/luma/9b2f/kEy-1_2/ HTTP/1.1" 204', "kEy-1_2"),
        ("Not Found: /frames/abcDEF.jpg", "abcDEF"),
        ("GET /clips/abcDEF.mp4?x=1", "abcDEF"),
        ("{'callback_url': 'https://films.example.com/callbacks/luma/9b2f/kEy/'}", "kEy"),
        ("authorization: Bearer abc123", "abc123"),
        ("/invitations/tok123/ and /watch/9b2f/tok123/", "tok123"),
        ('"GET /watch/9b2f/kEy-1_2/7c1d/video HTTP/1.1" 206', "kEy-1_2"),
    ],
)
def test_secret_paths_are_redacted(line, secret):
    assert secret not in redact(line)


# ── What is sent, and how ───────────────────────────────────────────────────────────────────────────────────────────


class InChunks(io.BytesIO):
    """The input stream of a chunked request, which ends or breaks."""

    broken = False

    def read(self, size=-1):
        if self.broken:
            raise RuntimeError("a type of the server's own")
        return super().read(size)


@pytest.mark.parametrize(("size", "broken", "status"), [(10, False, 204), (70_000, False, 413), (10, True, 400)])
def test_a_chunked_callback_is_read_to_its_end(client, size, broken, status):
    a_token(base_url="http://127.0.0.1:8801")
    generation = a_generation()
    path = "/" + generation.claim().callback_url.split("/", 3)[3]
    result = {"success": True, "task_id": "t", "video_url": "https://example.com/v.mp4", "state": "completed"}
    stream = InChunks(json.dumps(result | {"prompt": "x" * size}).encode())
    stream.broken = broken
    environ = {"wsgi.input": stream, "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    answer = client.post(path, content_type="application/json", **environ)
    assert answer.status_code == status
    generation.refresh_from_db()
    assert (generation.state == State.COMPLETED) == (status == 204)


@pytest.mark.django_db(transaction=True)
def test_a_chunked_callback_passes_the_real_web_server(tmp_path):
    site = Installation(tmp_path / "data")
    try:
        site.start(only=("web",))
        path = site.python(
            "from videos.models import *\nimport uuid\n"
            "token = ApiToken(name='t', base_url='http://127.0.0.1:9'); token.secret = 's'; token.save()\n"
            "s, _ = Submission.objects.open(Member.objects.get(), uuid.uuid4(), 1, prompt='A')\n"
            "print('/' + s.generations.get().claim().callback_url.split('/', 3)[3])"
        ).splitlines()[-1]
        body = b'{"success": false, "task_id": "t", "error": {"code": "api_error", "message": "no"}}'
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        answers = []
        for chunks in (b"zz\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)):
            with socket.create_connection(("127.0.0.1", site.port), timeout=10) as line:
                line.sendall(head.encode() + chunks)
                answers.append(line.recv(4096).split()[1])
        assert answers == [b"400", b"204"]
    finally:
        site.stop()


def test_an_unconfirmed_row_keeps_its_frame_public_for_a_day_only(client, ada):
    a_token(base_url="http://127.0.0.1:8801")
    name = default_storage.save("frames/y.jpg", ContentFile(b"\xff\xd8jpeg"))
    frame = Frame.objects.create(sha256="1" * 64, file=name, width=4, height=4, size_bytes=6, member=ada)
    generation = a_generation(ada, start_frame=frame)
    path = "/" + generation.request(generation.claim(), {}).start_image_url.split("/", 3)[3]
    Generation.objects.filter(pk=generation.pk).update(state=State.UNCONFIRMED)
    TemporaryLink.objects.update(created_at=timezone.now() - timedelta(hours=23))
    assert client.get(path).status_code == 200
    TemporaryLink.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert client.get(path).status_code == 404

"""An equal request during the first one, or seconds after it, creates nothing."""

import io
import re
import threading
import uuid
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.test import Client
from django.utils import timezone
from PIL import Image

from videos.models import Frame, Generation, Member, State, Submission
from videos.models.generation.fingerprint import fingerprint_of, same_link
from videos.models.state import DUPLICATE_WITHIN
from videos.provider import Sent

from ..support.factories import a_generation, a_member, a_result, a_token, an_error, failure, running
from ..support.ledger import sums_are_those_of_the_rows

pytestmark = pytest.mark.django_db(transaction=True)
HTMX = {"HX-Request": "true", "HX-Target": "video-form"}
ASKED = {"prompt": "A heron over still water"}
FORM = {"form": "1", "mode": "text", "enhancement": "true"}
LONG_AGO = DUPLICATE_WITHIN + timedelta(seconds=1)


@pytest.fixture
def ada(client) -> Member:
    a_token(base_url="http://127.0.0.1:8801")
    member = a_member("ada")
    client.force_login(member)
    return member


def age(row: Generation, by: timedelta = LONG_AGO) -> None:
    Generation.objects.filter(pk=row.pk).update(created_at=timezone.now() - by)


# States of the first request: while it is not sent, or has no result, an equal request is the same intention.
STATES = {
    "queued": lambda row: None,
    "submitting": lambda row: row.claim(),
    "processing": lambda row: (row.claim(), row.record(running(f"task-{row.pk}"), "answer")),
    "unconfirmed": lambda row: (row.claim(), row.refuse(an_error("no_answer", Sent.MAYBE))),
}
ENDS = {
    "completed": lambda row: (row.claim(), row.record(a_result(f"task-{row.pk}"), "answer")),
    "failed": lambda row: (row.claim(), row.record(failure(f"task-{row.pk}"), "answer")),
    "canceled": lambda row: row.cancel(row.member),
}


def stands(row: Generation, state: str) -> Generation:
    (STATES | ENDS)[state](row)
    row.refresh_from_db()
    assert row.state == state
    return row


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("form", [{}, FORM], ids=["script", "form"])
def test_an_equal_request_is_answered_with_a_link_to_the_running_one(client, ada, state, form):
    row = stands(a_generation(ada, **ASKED), state)
    age(row, timedelta(days=3))
    answer = client.post("/generations/", ASKED | form)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "Already requested" in text and "Make another" in text
    assert f'href="/generations/{row.uuid}/"' in text
    assert row.get_state_display() in text
    assert ASKED["prompt"] in text
    assert Submission.objects.count() == Generation.objects.count() == 1
    sums_are_those_of_the_rows()


@pytest.mark.parametrize("state", ENDS)
def test_an_equal_request_of_a_script_is_refused_for_ten_seconds(client, ada, state):
    row = stands(a_generation(ada, **ASKED), state)
    age(row, DUPLICATE_WITHIN - timedelta(seconds=2))
    assert client.post("/generations/", ASKED).status_code == 422
    age(row)
    assert client.post("/generations/", ASKED).status_code == 302
    assert Generation.objects.count() == 2


def test_a_clock_that_was_set_back_refuses_requests_for_ten_seconds_only(client, ada):
    age(stands(a_generation(ada, **ASKED), "failed"), by=-timedelta(hours=2))
    assert client.post("/generations/", ASKED).status_code == 302


def test_again_overrides_the_check_for_a_script(client, ada):
    for _ in range(3):
        assert client.post("/generations/", ASKED | {"again": "1"}).status_code == 302
    assert Generation.objects.count() == 3
    assert client.post("/generations/", ASKED).status_code == 422


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_make_another_pressed_twice_creates_one_more(client, ada, headers):
    a_generation(ada, **ASKED)
    answer = client.post("/generations/", ASKED | FORM | {"submission_key": uuid.uuid4()}, headers=headers)
    key = re.search(r'name="submission_key" value="([^"]+)"', answer.content.decode()).group(1)
    for _ in range(2):
        again = ASKED | FORM | {"submission_key": key, "again": "1"}
        assert client.post("/generations/", again, headers=headers).status_code in (200, 302)
    assert Generation.objects.count() == 2


def test_a_resubmitted_form_is_answered_with_its_videos(client, ada):
    form = ASKED | FORM | {"submission_key": uuid.uuid4()}
    for _ in range(3):
        answer = client.post("/generations/", form, headers=HTMX)
        assert answer.status_code == 200
        assert f'id="generation-{Generation.objects.get().uuid}"' in answer.content.decode()


def test_equal_requests_of_one_member_create_one_video_and_of_two_members_two(client, ada):
    ben = Client()
    ben.force_login(a_member("ben"))
    tabs = [ASKED | FORM | {"submission_key": uuid.uuid4()} for _ in range(3)]
    assert client.post("/generations/", tabs[0]).status_code == 302
    assert client.post("/generations/", tabs[1]).status_code == 422
    assert ben.post("/generations/", tabs[2]).status_code == 302
    assert sorted(Generation.objects.values_list("member__username", flat=True)) == ["ada", "ben"]


def test_takes_and_equal_lines_are_deliberate(client, ada):
    several = {"prompt": "A fox\nA fox\nA hare", "several": "1", "count": "2"}
    assert client.post("/generations/", several).status_code == 302
    assert Submission.objects.count() == 3 and Generation.objects.count() == 6
    assert client.post("/generations/", several).status_code == 422
    assert Generation.objects.count() == 6


def test_one_running_prompt_of_several_stops_all_and_is_named(client, ada):
    row = a_generation(ada, prompt="A fox")
    answer = client.post("/generations/", {"prompt": "A hare\na  FOX", "several": "1"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert f'href="/generations/{row.uuid}/"' in text and ">A fox</q>" in text
    assert Generation.objects.count() == 1


def test_running_and_finished_equal_videos_are_shown_together_once_each(client, ada):
    ben = a_member("ben")
    theirs = stands(a_generation(ben, **ASKED), "completed")
    ours = a_generation(ada, **ASKED)
    text = client.post("/generations/", ASKED | FORM).content.decode()
    made = text[text.index('class="existing"') : text.index("Make another")]
    assert "Already requested" in made and "Already made" not in made
    assert [made.count(str(row.uuid)) for row in (ours, theirs)] == [1, 1]
    age(ours)
    ours.claim()
    ours.record(a_result(f"task-{ours.pk}"), "answer")
    text = client.post("/generations/", ASKED | FORM).content.decode()
    assert "Already made" in text and str(ours.uuid) in text


def test_a_retry_does_not_stop_a_retry_of_another_row(ada):
    first = stands(a_generation(ada, **ASKED), "failed")
    retry, made = Submission.objects.retry(first, ada)
    assert made and retry.generations.get().fingerprint == first.fingerprint
    other = stands(a_generation(ada, **ASKED), "canceled")
    assert Submission.objects.retry(other, ada)[1]


def test_an_equal_form_is_stopped_by_a_running_retry(client, ada):
    first = stands(a_generation(ada, **ASKED), "failed")
    age(first)
    retry = Submission.objects.retry(first, ada)[0].generations.get()
    age(retry)
    answer = client.post("/generations/", ASKED)
    assert answer.status_code == 422 and str(retry.uuid) in answer.content.decode()


@pytest.mark.parametrize("state", [*STATES, "failed", "canceled"])
def test_a_repeated_retry_creates_one_video(client, ada, state):
    first = stands(a_generation(ada, **ASKED), "failed")
    path = f"/generations/{first.uuid}/retries/"
    client.post(path)
    retry = stands(first.retries.get(), state)
    answer = client.post(path, headers=HTMX | {"HX-Current-URL": "http://testserver/"})
    assert "Already retried" in answer.headers["HX-Trigger"]
    assert first.retries.get() == retry
    age(retry)
    client.post(path)
    assert first.retries.count() == (1 if state in STATES else 2)


# ── What is equal ─────────────────────────────────────────────────────────────────────────────────────────────


def a_picture(color: str) -> SimpleUploadedFile:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), color).save(out, "PNG")
    return SimpleUploadedFile("frame.png", out.getvalue(), "image/png")


FRAMES = ASKED | {"mode": "frames"}


def test_the_same_picture_uploaded_again_is_the_same_request(client, ada):
    assert client.post("/generations/", FRAMES | {"start_image": a_picture("teal")}).status_code == 302
    assert client.post("/generations/", FRAMES | {"start_image": a_picture("teal")}).status_code == 422
    kept = {"start_frame": Frame.objects.get().uuid}
    assert client.post("/generations/", FRAMES | kept).status_code == 422
    assert client.post("/generations/", FRAMES | {"end_image": a_picture("teal")}).status_code == 302
    assert client.post("/generations/", FRAMES | {"start_image": a_picture("navy")}).status_code == 302


SPELLINGS = [
    "https://example.com/a.jpg?x=1",
    "HTTPS://EXAMPLE.com/a.jpg?x=1",
    "https://example.com:443/a.jpg?x=1",
    "https://example.com/a.jpg?x=1#frame",
]


@pytest.mark.parametrize("link", SPELLINGS)
def test_another_spelling_of_a_link_is_the_same_request(client, ada, link):
    assert client.post("/generations/", FRAMES | {"start_image_url": SPELLINGS[0]}).status_code == 302
    assert client.post("/generations/", FRAMES | {"start_image_url": link}).status_code == 422


@pytest.mark.parametrize(
    "link",
    [
        "",
        "https://example.com/A.jpg?x=1",
        "https://example.com/a.jpg?x=2",
        "https://example.com:8443/a.jpg?x=1",
        "https://user@example.com/a.jpg",
        "https://[2606:4700::1111]/a.jpg",
        "https://[",
        "https://example.com:port/",
    ],
)
def test_a_normalised_link_is_unchanged(link):
    assert same_link(link) == link


def test_a_link_to_another_url_is_another_request(client, ada):
    for link in ("https://example.com/a.jpg", "https://example.com/A.jpg", "https://example.com:8443/a.jpg"):
        assert client.post("/generations/", FRAMES | {"start_image_url": link}).status_code == 302


def test_an_extension_by_id_equals_an_extension_by_link(client, ada):
    parent = stands(a_generation(a_member("ben"), prompt="A marsh"), "completed")
    extension = {"mode": "extend", "prompt": "It lands"}
    assert client.post("/generations/", extension | {"video_id": parent.video_id}).status_code == 302
    assert client.post("/generations/", extension | {"video_url": parent.video_url}).status_code == 422
    assert client.post("/generations/", extension | {"video_id": "another"}).status_code == 302
    both = {"video_id": "another", "video_url": "https://example.com/v.mp4"}
    assert client.post("/generations/", extension | both).status_code == 422, "the id counts"


def test_a_request_of_a_finished_row_has_the_fingerprint_of_its_fields(ada):
    row = stands(a_generation(ada, **ASKED), "completed")
    assert row.fingerprint == fingerprint_of(ASKED)


# ── At one instant ────────────────────────────────────────────────────────────────────────────────────────────


def posted_at_once(posts: list[tuple[Member, dict]]) -> list[int]:
    """Return the statuses of concurrent POSTs, each in a separate thread and connection."""
    together = threading.Barrier(len(posts))
    statuses: list[int] = []
    errors: list[BaseException] = []

    def post(client: Client, fields: dict) -> None:
        try:
            together.wait(20)
            statuses.append(client.post("/generations/", fields).status_code)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = []
    for member, fields in posts:
        client = Client()
        client.force_login(member)
        threads.append(threading.Thread(target=post, args=[client, fields]))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    return sorted(statuses)


@pytest.mark.parametrize("kind", ["script", "form", "frames"])
def test_concurrent_equal_posts_create_one_video(ada, kind):
    def fields() -> dict:
        if kind == "frames":
            return FRAMES | {"start_image": a_picture("teal")}
        return ASKED if kind == "script" else ASKED | FORM | {"submission_key": uuid.uuid4()}

    assert posted_at_once([(ada, fields()) for _ in range(8)]) == [302] + [422] * 7
    assert Submission.objects.count() == Generation.objects.count() == 1
    sums_are_those_of_the_rows()


def test_concurrent_equal_posts_with_one_key_are_all_answered_with_the_same_video(ada):
    form = ASKED | FORM | {"submission_key": uuid.uuid4()}
    assert posted_at_once([(ada, form)] * 8) == [302] * 8
    assert Generation.objects.count() == 1


def test_concurrent_equal_posts_of_two_members_create_two_videos(ada):
    ben = a_member("ben")
    assert posted_at_once([(ada, ASKED), (ben, ASKED)] * 4) == [302] * 2 + [422] * 6
    assert {row.member for row in Generation.objects.all()} == {ada, ben}


def test_concurrent_different_posts_of_one_member_are_all_created(ada):
    assert posted_at_once([(ada, {"prompt": f"A heron, {number}"}) for number in range(8)]) == [302] * 8
    assert Generation.objects.filter(state=State.QUEUED).count() == 8

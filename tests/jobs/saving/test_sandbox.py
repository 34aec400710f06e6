"""Saving from the sandbox, which serves broken files on demand."""

import time

import pytest
from django.core.files.storage import default_storage

from videos.jobs import adoption
from videos.media import saved_videos, storage
from videos.models import Generation

from ...sandbox.process import Sandbox
from ...support.factories import a_generation, a_result, a_token, an_admin, running
from ...support.media_host import attempt, kinds

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_storage")]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    provider = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield provider
    provider.stop()


@pytest.mark.parametrize(
    ("mark", "code"),
    [
        ("half", "incomplete"),
        ("cut", "unreachable"),
        ("empty", "not_a_video"),
        ("webpage", "not_a_video"),
        ("login", "link_gone"),  # the sandbox redirects to a page that answers 404
        ("wrong_kind", "not_a_video"),
    ],
)
def test_a_file_served_incomplete_twice_is_saved_at_the_third_attempt(sandbox, mark, code):
    a_token(base_url=sandbox.url)
    task_id = sandbox.submit(f"[{mark}] a lake")
    sandbox.wait_for_response(task_id)
    generation = adoption.adopt(task_id, an_admin()).generation
    for tries in (1, 2):
        attempt(generation)
        assert (generation.archive, generation.archive_attempts, generation.archive_error) == ("remote", tries, code)
        assert not [name for name in storage.list_files() if name.startswith("videos/")]
    attempt(generation)
    assert generation.archive == "saved"
    assert generation.video_file.open("rb").read() == sandbox.http.get(generation.video_url).content


@pytest.mark.parametrize("mark", ["stale_link", "foreign_host"])
def test_a_broken_link_of_the_provider_is_replaced_at_once(sandbox, mark):
    a_token(base_url=sandbox.url)
    generation = finished_by_callback(sandbox, f"[{mark}] a lake")
    attempt(generation)
    assert (generation.archive, kinds(generation)[-2:]) == ("saved", ["relinked", "saved"])


def finished_by_callback(sandbox, prompt: str) -> Generation:
    """Finish a video with the link of its first result; a look-up would return another."""
    answer = sandbox.request_video(prompt).json()
    generation = a_generation(prompt=prompt)
    generation.claim()
    generation.record(running(answer["task_id"]), "answer")
    generation.record(a_result(answer["task_id"], video_url=answer["video_url"]), "callback")
    return generation


@pytest.mark.parametrize("mark", ["slow_thumbnail", "no_thumbnail"])
def test_a_missing_thumbnail_does_not_delay_the_video(sandbox, mark):
    a_token(base_url=sandbox.url)
    task_id = sandbox.submit(f"[{mark}] a lake")
    sandbox.wait_for_response(task_id)
    generation = adoption.adopt(task_id, an_admin()).generation
    began = time.monotonic()
    assert attempt(generation).archive == "saved"
    assert time.monotonic() - began < 4 * saved_videos.THUMBNAIL_SECONDS
    assert default_storage.exists(generation.poster_file.name)

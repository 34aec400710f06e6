"""Saved files that turn out to be incomplete."""

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse

from videos.jobs import saving, sweep
from videos.media import saved_videos
from videos.models import Generation, OrphanedFile

from ...support.finished_videos import verify_media
from ...support.media_host import attempt, finished, kinds
from ...support.sample_videos import read_unchecked

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_storage")]


def saved_incomplete(cdn, film: bytes, monkeypatch) -> Generation:
    """Save half a file, as an earlier version did: its first frame can be decoded and its hash is valid."""
    cdn.at["/v.mp4"] = film[: len(film) * 3 // 4]
    with monkeypatch.context() as earlier:
        earlier.setattr(saved_videos.decoding, "read_video", read_unchecked)
        generation = attempt(finished(f"{cdn.url}/v.mp4"))
    assert generation.archive == "saved"
    return generation


def test_verify_media_finds_an_incomplete_file_and_repairs_it(stub, cdn, token, film, monkeypatch):
    generation = saved_incomplete(cdn, film, monkeypatch)
    before = generation.video_file.name
    said, status = verify_media()
    assert f"incomplete: {before} (video {generation.uuid}): The file is incomplete: it ends after" in said
    assert "incomplete: 1." in said
    assert status == 1
    assert Generation.objects.get().archive == "saved", "without --repair nothing changes"
    cdn.at["/v.mp4"] = film
    assert "To be saved again: 1." in verify_media("--repair")[0]
    assert attempt(generation).archive == "saved"
    assert generation.video_file.open("rb").read() == film
    sweep.remove_orphaned_files()
    assert not default_storage.exists(before), "the incomplete one is removed once there is a better one"
    assert not OrphanedFile.objects.exists()
    assert verify_media() == ("Videos good: 1, changed: 0, incomplete: 0. Files missing: 0, orphans: 0.\n", 0)


def test_an_incomplete_file_is_kept_if_no_better_one_is_available(client, stub, cdn, token, film, monkeypatch):
    generation = saved_incomplete(cdn, film, monkeypatch)
    before = generation.video_file.name
    del cdn.at["/v.mp4"]
    stub.answer = lambda path, body: (200, {})
    verify_media("--repair")
    Generation.objects.update(archive_attempts=saving.MAX_ATTEMPTS)
    attempt(generation)
    assert (generation.archive, generation.video_file.name, kinds(generation)[-1]) == (
        "saved", before, "kept_incomplete",
    )  # fmt: skip
    client.force_login(generation.member)
    assert "The end of this video is missing" in client.get(generation.get_absolute_url()).text
    assert client.get(reverse("video", args=[generation.uuid])).status_code == 200
    assert "incomplete: 1." in verify_media()[0]


def test_a_changed_file_is_not_mistaken_for_an_incomplete_one(stub, cdn, token, film, monkeypatch):
    generation = saved_incomplete(cdn, film, monkeypatch)
    with open(generation.video_file.path, "r+b") as file:
        file.write(b"\xff" * 100)
    del cdn.at["/v.mp4"]
    stub.answer = lambda path, body: (200, {})
    verify_media("--repair")
    Generation.objects.update(archive_attempts=saving.MAX_ATTEMPTS)
    assert attempt(generation).archive == "lost"

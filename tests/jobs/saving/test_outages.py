"""Saving while the storage or the database fails."""

import errno
import os

import pytest
from django.core.files.storage import default_storage
from django.db import DatabaseError

from videos.jobs import saving
from videos.media import saved_videos, storage
from videos.models import Generation

from ...support.media_host import attempt, finished

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_storage")]


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(errno.ENOSPC, "storage_full", "storage for videos is full"), (errno.EACCES, "storage_away", "cannot be written")],
)
def test_saves_wait_for_a_storage_that_refuses_writes(cdn, token, film, monkeypatch, number, code, words):
    cdn.at["/v.mp4"] = film
    generation = finished(f"{cdn.url}/v.mp4")
    Generation.objects.filter(pk=generation.pk).update(archive_attempts=saving.MAX_ATTEMPTS + 5)

    def refuses(name, content):
        raise OSError(number, os.strerror(number), "/secret/place")

    with monkeypatch.context() as broken:
        broken.setattr(default_storage, "save", refuses)
        attempt(generation)
    assert (generation.archive, generation.archive_error) == ("remote", code)
    assert words in generation.explanation.text
    assert "/secret/place" not in generation.explanation.text
    assert "admin" in generation.explanation.for_members
    assert generation.explanation.for_admins
    assert "/secret/place" in generation.events.last().text, "the story has the whole of it"
    assert attempt(generation).archive == "saved"


def test_a_partially_written_file_is_noticed(cdn, token, film, monkeypatch):
    cdn.at["/v.mp4"] = film
    generation = finished(f"{cdn.url}/v.mp4")
    with monkeypatch.context() as broken:
        broken.setattr(default_storage, "size", lambda name: len(film) - 1)
        attempt(generation)
    assert (generation.archive, generation.archive_error) == ("remote", "storage_away")
    assert not [name for name in storage.list_files() if name.endswith(".mp4")]


def test_the_result_of_a_save_is_recorded_once_the_database_is_back(cdn, token, film, monkeypatch):
    cdn.at["/v.mp4"] = film
    monkeypatch.setattr(saving.time, "sleep", lambda seconds: None)
    generation = finished(f"{cdn.url}/v.mp4")
    true, failures = Generation.saved, []

    def locked(self, **facts):
        if len(failures) < 3:
            failures.append(1)
            raise DatabaseError("database is locked")
        return true(self, **facts)

    monkeypatch.setattr(Generation, "saved", locked)
    assert attempt(generation).archive == "saved"
    assert generation.video_file.open("rb").read() == film


def test_files_are_kept_if_the_commit_that_seemed_to_fail_was_written(cdn, token, film, monkeypatch):
    cdn.at["/v.mp4"] = film
    monkeypatch.setattr(saving.time, "sleep", lambda seconds: None)
    generation = finished(f"{cdn.url}/v.mp4")
    true, lost = Generation.saved, []

    def loses_its_answer(self, **facts):
        done = true(self, **facts)
        if not lost:
            lost.append(1)
            raise DatabaseError("the connection was lost after the commit")
        return done

    monkeypatch.setattr(Generation, "saved", loses_its_answer)
    assert attempt(generation).archive == "saved"
    assert generation.video_file.open("rb").read() == film


def test_an_internal_error_is_reported_as_one_and_retried(cdn, token, film, monkeypatch):
    cdn.at["/v.mp4"] = film
    generation = finished(f"{cdn.url}/v.mp4")
    with monkeypatch.context() as broken:
        broken.setattr(saved_videos.decoding, "read_video", lambda *args, **kwargs: 1 / 0)
        attempt(generation)
    assert (generation.archive, generation.archive_error) == ("remote", "unexpected")
    assert "An error in Lumaweb" in generation.explanation.text
    assert attempt(generation).archive == "saved"

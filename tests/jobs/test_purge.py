"""The sweep deletes trashed videos after thirty days and keeps a tombstone."""

import uuid

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from videos import provider
from videos.jobs import results, sweep
from videos.models import Event, Frame, Generation, OrphanedFile, TemporaryLink, Verdict
from videos.models.state import PURGED

from ..support.factories import a_generation, a_result, a_token, an_error
from ..support.generation_states import in_state
from ..support.saved_videos import a_saved_one, events, files_of

pytestmark = pytest.mark.django_db(transaction=True)


def a_frame(member, name="frame") -> Frame:
    file = default_storage.save(f"frames/{uuid.uuid4().hex}.jpg", ContentFile(name.encode()))
    return Frame.objects.create(sha256=uuid.uuid4().hex, file=file, width=64, height=48, size_bytes=9, member=member)


def long_in_the_trash(generation) -> None:
    assert generation.trash(generation.member)
    Generation.objects.filter(pk=generation.pk).update(
        trashed_at=timezone.now() - timezone.timedelta(days=30, seconds=1)
    )


def test_after_thirty_days_the_sweep_leaves_a_tombstone(client, ada):
    start, end = a_frame(ada), a_frame(ada)
    parent = a_saved_one(ada, prompt="the parent")
    generation = a_saved_one(
        ada,
        prompt="a secret prompt",
        start_frame=start,
        end_frame=end,
        parent=parent,
        source_video_url="https://example.com/secret.mp4",
        action="extend",
    )
    TemporaryLink.create_for("https://films.example.com", generation, frame=start)
    TemporaryLink.create_for("https://films.example.com", a_generation(ada), video=generation)
    Generation.objects.filter(pk=generation.pk).update(amount=1500)
    stored = [*files_of(generation), start.file.name, end.file.name]
    fresh = a_saved_one(ada)
    fresh.trash(ada)
    long_in_the_trash(generation)
    sweep.sweep()
    generation.refresh_from_db()
    fresh.refresh_from_db()
    assert generation.purged_at
    assert not fresh.purged_at, "it has thirty days"
    assert all(map(default_storage.exists, files_of(fresh)))
    assert not any(map(default_storage.exists, stored))
    assert not any(getattr(generation, name) for name in PURGED)
    assert files_of(generation) == ["", "", ""]
    assert (generation.start_frame, generation.end_frame, generation.archive) == (None, None, "")
    assert list(Frame.objects.values_list("file", flat=True)) == ["", ""]
    assert not TemporaryLink.objects.exists()
    assert not OrphanedFile.objects.exists()
    # What the row keeps, for sums and chains.
    assert (generation.state, generation.amount, generation.parent) == ("completed", 1500, parent)
    assert generation.task_id
    assert generation.video_id
    assert generation.finished_at
    assert events(generation)[-1] == "purged"
    assert "secret" not in str(Generation.objects.filter(pk=generation.pk).values().get())
    sweep.sweep()
    assert events(generation).count("purged") == 1


def test_a_frame_stays_while_another_video_has_it(ada):
    frame = a_frame(ada)
    one, other = a_saved_one(ada, start_frame=frame), a_saved_one(ada, end_frame=frame)
    long_in_the_trash(one)
    sweep.sweep()
    frame.refresh_from_db()
    assert default_storage.exists(frame.file.name)
    name = frame.file.name
    long_in_the_trash(other)
    sweep.sweep()
    frame.refresh_from_db()
    assert not frame.file
    assert not default_storage.exists(name)


def test_files_left_by_a_crash_after_the_commit_are_removed_later(ada):
    generation = a_saved_one(ada, start_frame=a_frame(ada))
    stored = [*files_of(generation), generation.start_frame.file.name]
    long_in_the_trash(generation)
    assert generation.purge()  # here the process dies
    assert all(map(default_storage.exists, stored))
    default_storage.delete(stored[0])  # or later, with one of them gone
    sweep.sweep()
    assert not any(map(default_storage.exists, stored))
    assert not OrphanedFile.objects.exists()


def test_a_file_that_cannot_be_removed_does_not_block_others(ada):
    blocked = "frames/blocked"
    default_storage.save(f"{blocked}/inside", ContentFile(b"x"))  # a folder in the place of a file
    OrphanedFile.objects.create(file=blocked)
    free = default_storage.save("frames/free", ContentFile(b"x"))
    OrphanedFile.objects.create(file=free)
    sweep.remove_orphaned_files()
    assert not default_storage.exists(free)
    assert [orphan.file.name for orphan in OrphanedFile.objects.all()] == [blocked]


def test_a_video_is_not_deleted_while_it_is_extended(client, ada):
    generation = a_saved_one(ada)
    child = a_generation(ada, action="extend", parent=generation, source_video_id=generation.video_id)
    long_in_the_trash(generation)
    sweep.sweep()
    generation.refresh_from_db()
    assert not generation.purged_at
    text = client.post(f"/generations/{generation.uuid}/deletion/", follow=True).content.decode()
    assert "An extension of this video is in progress" in text
    child.cancel(ada)
    sweep.sweep()
    generation.refresh_from_db()
    assert generation.purged_at


def test_the_tree_shows_deleted_videos(client, ada):
    first = a_saved_one(ada, prompt="the first")
    second = a_saved_one(ada, prompt="the second", parent=first, action="extend", depth=1)
    third = a_saved_one(ada, prompt="the third", parent=second, action="extend", depth=2)
    second.trash(ada)
    for row in (first, third):
        text = client.get(f"/generations/{row.uuid}/").content.decode()
        assert "In the trash" in text
        assert "the second" not in text
    second.purge()
    for row in (first, third):
        text = client.get(f"/generations/{row.uuid}/").content.decode()
        assert "Deleted" in text
        assert f"/generations/{second.uuid}/" not in text
    assert "Extended from a deleted video" in client.get("/").content.decode()


def test_a_video_that_arrives_after_the_purge_is_noted_and_not_saved(ada):
    generation = in_state("failed")
    generation.trash(ada)
    generation.purge()
    assert results.record_result(generation, a_result("task-late", prompt="a secret"), "callback") is Verdict.RECORDED
    generation.refresh_from_db()
    assert (generation.state, generation.task_id, generation.video_id) == ("completed", "task-late", "video-1")
    assert (generation.archive, generation.video_url, generation.result_prompt) == ("", "", "")
    assert generation not in Generation.objects.worth_saving()


def test_a_running_save_does_not_restore_a_purged_video(ada):
    a_token()
    generation = a_generation(ada)
    generation.claim()
    generation.record(a_result(), "answer")
    saving = Generation.objects.get(pk=generation.pk)
    assert saving.begin_saving(60)
    generation.trash(ada)
    assert generation.purge()
    assert not saving.saved(video_file="videos/x.mp4")
    assert not saving.save_failed("away", for_good=False, retry_in=5)
    assert not saving.save_failed("away", for_good=True, retry_in=0)
    assert (saving.archive, saving.video_file.name) == ("", "")


def test_a_purge_removes_the_provider_s_texts(ada):
    a_token()
    generation = a_generation(ada)
    generation.claim()
    generation.refuse(
        provider.ProviderError("forbidden", "no: a secret prompt", sent=provider.Sent.REFUSED, status=403)
    )
    generation.trash(ada)
    generation.purge()
    assert not Event.objects.filter(text__contains="secret").exists()
    assert (generation.error_code, generation.error_message) == ("forbidden", "")


def test_a_purge_removes_notes_about_the_source(ada):
    a_token()
    generation = a_generation(ada)
    claim = generation.claim()
    said = provider.ProviderError("bad_request", "a secret prompt", sent=provider.Sent.REFUSED, status=400)
    assert generation.next_source(1, said, claim.owned)
    generation.trash(ada)
    generation.purge()
    assert not Event.objects.filter(text__contains="secret").exists()


def test_adopting_a_trashed_video_s_task_restores_the_video(ada):
    token = a_token()
    generation = a_generation(ada)
    generation.claim()
    generation.refuse(an_error("no_answer", provider.Sent.MAYBE))
    generation.dismiss(ada)
    generation.trash(ada)
    assert generation.adopt(ada, token)
    assert generation.trashed_at is None

"""The trash: restore for thirty days, then keep only a tombstone."""

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from videos.models import Generation, Verdict

from ..support.factories import a_generation, a_member, a_result, an_admin
from ..support.generation_states import in_state
from ..support.saved_videos import a_saved_one, events, files_of

pytestmark = pytest.mark.django_db(transaction=True)

HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}
ON_TRASH = HTMX | {"HX-Current-URL": "http://testserver/trash/"}


# ── Into the trash and out of it ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("state", "possible", "then"),
    [
        ("queued", True, "canceled"),
        ("submitting", False, "submitting"),
        ("processing", False, "processing"),
        ("unconfirmed", False, "unconfirmed"),
        ("completed", True, "completed"),
        ("failed", True, "failed"),
        ("canceled", True, "canceled"),
    ],
)
def test_a_running_video_cannot_be_trashed(state, possible, then):
    generation = in_state(state)
    member = generation.member
    assert generation.can_be_trashed == possible
    assert generation.trash(member) == possible
    assert (generation.state, bool(generation.trashed_at)) == (then, possible)
    if possible:
        assert generation.trashed_by == member
        assert events(generation)[-1] == "trashed"
        version = generation.version
        assert not generation.trash(member), "it is there already"
        assert generation.restore(member)
        assert (generation.state, generation.trashed_at, generation.version) == (then, None, version + 1)
        assert events(generation)[-1] == "restored"
    assert not generation.restore(member)
    assert not generation.purge(member), "only what is in the trash can be deleted permanently"


def test_a_queued_video_is_never_sent_after_it_was_trashed():
    generation = in_state("queued")
    generation.trash(generation.member)
    assert not generation.claim()
    generation.restore(generation.member)
    assert not generation.claim()


def test_a_stale_instance_does_not_trash_a_video_sent_meanwhile():
    generation = in_state("queued")
    old = Generation.objects.get(pk=generation.pk)
    assert generation.claim()
    assert not old.trash(old.member)
    assert old.state == "submitting"


def test_a_video_that_arrives_in_the_trash_is_saved_and_stays_there():
    generation = in_state("failed")
    generation.trash(generation.member)
    assert generation.record(a_result("task-late"), "callback") is Verdict.RECORDED
    assert (generation.state, generation.archive, bool(generation.trashed_at)) == ("completed", "remote", True)
    assert generation in Generation.objects.worth_saving()
    assert generation.saved(video_file="videos/x.mp4")
    assert generation.trashed_at
    assert generation not in Generation.objects.for_gallery()


@pytest.mark.parametrize("path", ["trash", "restoration", "deletion"])
def test_only_its_author_or_an_admin_may(client, path):
    generation = a_saved_one(a_member("ada"))
    if path != "trash":
        generation.trash(generation.member)
    client.force_login(a_member("ben"))
    assert client.post(f"/generations/{generation.uuid}/{path}/").status_code == 403
    generation.refresh_from_db()
    assert (bool(generation.trashed_at), generation.purged_at) == (path != "trash", None)
    assert client.get(f"/generations/{generation.uuid}/{path}/").status_code == 405
    client.force_login(an_admin())
    assert client.post(f"/generations/{generation.uuid}/{path}/").status_code == 302
    generation.refresh_from_db()
    assert bool(generation.trashed_at) == (path != "restoration")
    assert bool(generation.purged_at) == (path == "deletion")
    assert generation.events.last().member.username == "root"


def test_without_javascript_a_message_offers_undo(client, ada):
    generation = a_saved_one(ada)
    text = client.post(f"/generations/{generation.uuid}/trash/", follow=True).content.decode()
    assert f'id="generation-{generation.uuid}"' not in text
    assert "Moved to the trash." in text
    assert f'action="/generations/{generation.uuid}/restoration/"' in text
    text = client.post(f"/generations/{generation.uuid}/restoration/", follow=True).content.decode()
    assert f'id="generation-{generation.uuid}"' in text


def test_with_htmx_the_card_is_removed_and_a_toast_offers_undo(client, ada):
    generation = a_saved_one(ada)
    text = client.post(f"/generations/{generation.uuid}/trash/", headers=HTMX).content.decode()
    assert f'<li id="generation-{generation.uuid}" data-own hx-swap-oob="delete">' in text
    assert f'hx-post="/generations/{generation.uuid}/restoration/"' in text
    text = client.post(f"/generations/{generation.uuid}/restoration/", headers=HTMX).content.decode()
    assert "data-restored" in text
    assert f'data-pk="{generation.pk}"' in text


def test_from_its_own_page_htmx_goes_to_the_studio(client, ada):
    generation = a_saved_one(ada)
    here = HTMX | {"HX-Current-URL": f"http://testserver/generations/{generation.uuid}/"}
    answer = client.post(f"/generations/{generation.uuid}/trash/", headers=here)
    assert answer["HX-Redirect"] == "/"
    assert "Moved to the trash." in client.get("/").content.decode()


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
def test_trashing_a_sent_video_says_that_it_cannot_be_stopped(client, ada, headers):
    generation = in_state("processing")
    assert f"/generations/{generation.uuid}/trash/" not in client.get("/").content.decode()
    assert (
        "This video was sent and cannot be stopped" in client.get(f"/generations/{generation.uuid}/").content.decode()
    )
    answer = client.post(f"/generations/{generation.uuid}/trash/", headers=headers, follow=not headers)
    assert "was sent already and cannot be stopped" in answer.content.decode() + answer.headers.get("HX-Trigger", "")


# ── What the others see ───────────────────────────────────────────────────────────────────────────────────────


def poll(client, generation, since, **extra) -> str:
    ask = {"since": since.timestamp(), "newest": generation.pk, "top": "1", "known": ""} | extra
    return client.get("/live/", ask).content.decode()


def test_every_open_page_removes_and_restores_the_card(client, ada):
    generation = a_saved_one(a_member("ben"))
    since = timezone.now()
    generation.trash(generation.member)
    assert f'<li id="generation-{generation.uuid}" hx-swap-oob="delete">' in poll(client, generation, since)
    assert "ben moved this video to the trash" in poll(client, generation, since, only=generation.uuid)
    generation.restore(generation.member)
    text = poll(client, generation, since)
    assert 'hx-swap-oob="delete"' not in text
    assert "data-restored" in text
    assert text.count(f'id="generation-{generation.uuid}"') == 1
    assert 'class="video-page"' in poll(client, generation, since, only=generation.uuid)


def test_a_restored_video_returns_only_to_galleries_whose_filters_match(client, ada):
    generation = a_saved_one(ada)
    Generation.objects.filter(pk=generation.pk).update(prompt="an owl", search_text="an owl")
    generation.refresh_from_db()
    since = timezone.now()
    generation.trash(ada)
    generation.restore(ada)
    assert "data-restored" in poll(client, generation, since, q="owl")
    for filters in ({"q": "heron"}, {"starred": "1"}, {"state": "failed"}):
        assert "data-restored" not in poll(client, generation, since, **filters), filters


@pytest.mark.parametrize(("meanwhile", "words"), [("purge", "deleted permanently already"), ("restore", "restored")])
def test_a_repeated_delete_explains_what_happened(client, ada, meanwhile, words):
    generation = a_saved_one(ada)
    generation.trash(ada)
    getattr(generation, meanwhile)(ada)
    answer = client.post(f"/generations/{generation.uuid}/deletion/", headers={"HX-Request": "true"})
    assert words in answer.headers["HX-Trigger"]
    assert f'id="generation-{generation.uuid}"' in answer.content.decode(), "its card leaves the page of the trash"


def test_the_page_of_a_trashed_video_explains_what_happened(client, ada):
    generation = a_saved_one(ada)
    path, prompt = f"/generations/{generation.uuid}/", generation.prompt
    generation.trash(ada)
    answer = client.get(path)
    assert (answer.status_code, b"In the trash" in answer.content, b"Restore" in answer.content) == (404, True, True)
    generation.purge(ada)
    answer = client.get(path)
    assert (answer.status_code, b"Deleted permanently" in answer.content, b"Restore" in answer.content) == (
        404,
        True,
        False,
    )
    assert prompt.encode() not in answer.content


@pytest.mark.parametrize("what", ["video", "poster", "thumbnail"])
def test_media_in_the_trash_are_served_only_to_the_author_and_admins(client, what):
    generation = a_saved_one(a_member("ada"))
    path = f"/generations/{generation.uuid}/{what}"
    people = {"ada": generation.member, "ben": a_member("ben"), "root": an_admin()}

    def seen_by() -> list[str]:
        seen = []
        for name, member in people.items():
            client.force_login(member)
            answer = client.get(path)
            answer.close()
            seen += [name] if answer.status_code == 200 else []
        return seen

    assert seen_by() == ["ada", "ben", "root"]
    generation.trash(generation.member)
    assert seen_by() == ["ada", "root"]
    generation.purge()
    assert seen_by() == []


def test_the_trash_shows_a_member_s_own_videos_and_an_admin_all(client, ada):
    mine, theirs = a_saved_one(ada, prompt="A fox"), a_saved_one(a_member("ben"), prompt="A whale")
    assert "The trash is empty" in client.get("/trash/").content.decode()
    mine.trash(ada)
    theirs.trash(theirs.member)
    text = client.get("/trash/").content.decode()
    assert "A fox" in text
    assert "A whale" not in text
    assert f'id="generation-{mine.uuid}"' in text
    client.force_login(an_admin())
    text = client.get("/trash/").content.decode()
    assert text.index("A whale") < text.index("A fox"), "the latest first"


def test_the_trash_is_paginated(client, ada, django_assert_max_num_queries):
    for number in range(60):
        generation = a_generation(ada, prompt=f"number {number}")
        generation.trash(ada)
    with django_assert_max_num_queries(8):
        first = client.get("/trash/").content.decode()
    assert first.count('id="generation-') == 48
    last = Generation.objects.for_trash(ada)[47]
    assert f"/trash/?after={last.uuid}" in first
    assert client.get(f"/trash/?after={last.uuid}").content.decode().count('id="generation-') == 12
    assert client.get("/trash/?after=garbage").content.decode().count('id="generation-') == 48


@pytest.mark.parametrize("headers", [{}, ON_TRASH], ids=["page", "htmx"])
def test_videos_are_deleted_permanently_on_the_trash_page(client, ada, headers):
    generation = a_saved_one(ada)
    generation.trash(ada)
    stored = files_of(generation)
    text = client.get("/trash/").content.decode()
    assert "Delete this video permanently?" in text
    client.post(f"/generations/{generation.uuid}/deletion/", headers=headers)
    generation.refresh_from_db()
    assert generation.purged_at
    assert not any(map(default_storage.exists, stored))
    assert client.post(f"/generations/{generation.uuid}/restoration/", headers=headers).status_code == 404

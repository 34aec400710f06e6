"""Stars, collections and actions on several videos."""

import io
import json
import re
import tracemalloc
import uuid
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from videos.models import Collection, Generation, Star, collections
from videos.models.state import GIVEN_UP
from videos.views import collections as collection_views

from ..support.factories import a_generation, a_member, an_admin
from ..support.saved_videos import a_stored_video

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}


def ticked(*generations) -> dict:
    return {"v": [str(one.uuid) for one in generations]}


def test_a_star_belongs_to_its_member(client, ada):
    video, ben = a_stored_video(ada, "a video"), a_member("ben")
    answer = client.post(f"/generations/{video.uuid}/star/", {"on": "1"}, headers=HTMX)
    assert 'aria-pressed="true"' in answer.content.decode()
    assert Generation.objects.for_gallery(ada).get().starred
    assert not Generation.objects.for_gallery(ben).get().starred
    client.post(f"/generations/{video.uuid}/star/", {"on": "1"}, headers=HTMX)
    assert Star.objects.count() == 1
    client.post(f"/generations/{video.uuid}/star/", {"on": "0"}, headers=HTMX)
    assert not Star.objects.exists()


def test_a_selection_is_starred_or_unstarred_if_all_have_stars(client, ada):
    one, two = a_stored_video(ada, "one"), a_stored_video(ada, "two")
    Star.add(ada, [one])
    assert "Starred 2 videos" in client.post("/selection/stars/", ticked(one, two), headers=HTMX).content.decode()
    assert Star.objects.count() == 2
    client.post("/selection/stars/", ticked(one, two), headers=HTMX)
    assert not Star.objects.exists()


def test_a_selection_is_trashed_with_one_undo_and_names_what_stayed(client, ada):
    mine, other = a_stored_video(ada, "mine"), a_stored_video(ada, "other")
    foreign, running = a_stored_video(a_member("ben"), "ben's"), a_generation(ada, prompt="running")
    Generation.objects.filter(pk=running.pk).update(state="processing")
    answer = client.post("/selection/trash/", ticked(mine, other, foreign, running), headers=HTMX).content.decode()
    assert "Moved 2 videos to the trash. 1 video can only be moved by their author or an admin." in answer
    assert "1 video cannot be stopped any more." in answer
    assert set(Generation.objects.for_gallery()) == {foreign, running}
    back = client.post("/selection/restoration/", ticked(mine, other, foreign), headers=HTMX).content.decode()
    assert f"generation-{mine.uuid}" in back
    assert Generation.objects.for_gallery().count() == 4


def test_an_admin_can_trash_any_video(client):
    video = a_stored_video(a_member("ben"), "ben's")
    client.force_login(an_admin())
    client.post("/selection/trash/", ticked(video))
    assert not Generation.objects.for_gallery().exists()


@pytest.mark.parametrize("path", ["stars", "collections", "trash", "restoration", "compare", "zip"])
@pytest.mark.parametrize("values", [[], ["nonsense"], [str(uuid.uuid4())], ["\0"], ["x"] * 90])
def test_an_empty_selection_is_accepted(client, ada, path, values):
    a_stored_video(ada, "stays")
    for headers in ({}, HTMX):
        assert client.post(f"/selection/{path}/", {"v": values}, headers=headers).status_code in (200, 302)
    assert Generation.objects.for_gallery().count() == 1
    assert not Star.objects.exists()


def test_a_selection_is_one_archive_that_names_what_is_missing(client, ada):
    fox, same = a_stored_video(ada, "A fox, at dawn", b"fox" * 1000), a_stored_video(ada, "A fox, at dawn", b"same")
    waiting, gone = a_generation(ada, prompt="waiting"), a_stored_video(ada, "gone")
    default_storage.delete(gone.video_file.name)
    answer = client.post("/selection/zip/", ticked(fox, same, waiting, gone))
    data = b"".join(answer.streaming_content)
    assert int(answer["Content-Length"]) == len(data)
    assert answer["Content-Disposition"].startswith('attachment; filename="lumaweb-')
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {
            f"a-fox-at-dawn-{fox.uuid.hex[:8]}.mp4",
            f"a-fox-at-dawn-{same.uuid.hex[:8]}.mp4",
            "not-included.txt",
        }
        assert archive.read(f"a-fox-at-dawn-{fox.uuid.hex[:8]}.mp4") == b"fox" * 1000
        listed = archive.read("not-included.txt").decode()
    assert str(waiting.uuid) in listed
    assert str(gone.uuid) in listed


def test_an_archive_keeps_names_of_every_script(client, ada):
    prompts = {"北京的秋天": "北京的秋天", "Zürich bei Nacht": "zürich-bei-nacht", "ثعلب": "ثعلب", "../CON": "con"}
    videos = {a_stored_video(ada, prompt): name for prompt, name in prompts.items()}
    answer = client.post("/selection/zip/", ticked(*videos))
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        entries = {entry.filename: entry.flag_bits & 0x800 for entry in archive.infolist()}
    assert entries.keys() == {f"{name}-{video.uuid.hex[:8]}.mp4" for video, name in videos.items()}
    assert all(bool(flag) is not name.isascii() for name, flag in entries.items()), "the flag says UTF-8"


def test_the_url_of_a_comparison_names_the_videos_and_holds_no_csrf_token(client, ada):
    one, two = a_stored_video(ada, "one"), a_stored_video(ada, "two")
    wall = client.get("/").content.decode()
    form = re.search(r'<form id="selection".*?</form>', wall, re.DOTALL)[0]
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[1]
    button = re.search(r"<button[^>]*>(?=(?:(?!</button>).)*Compare)", form, re.DOTALL)[0]
    ways = re.findall(r'formaction="([^"]+)"', button)
    assert ways and "get" not in button
    answer = client.post(ways[0], ticked(two, one) | {"csrfmiddlewaretoken": token, "name": "", "collection": "x"})
    assert answer.status_code == 302
    assert answer["Location"] == f"/compare/?v={two.uuid}&v={one.uuid}"
    shown = client.get(answer["Location"]).content.decode()
    assert str(one.uuid) in shown and str(two.uuid) in shown


def test_no_get_form_holds_a_csrf_token():
    folder = Path(settings.BASE_DIR) / "templates"
    forms = [
        form
        for path in folder.rglob("*.html")
        for form in re.findall(r"<form\b.*?(?:</form>|\Z)", path.read_text(), re.DOTALL)
    ]
    by_address = [form for form in forms if re.search(r"""method=["']?get""", form, re.IGNORECASE)]
    assert len(by_address) > 2
    assert not [form for form in by_address if "csrf" in form]


def test_an_archive_of_two_hundred_videos_uses_constant_memory(client, ada):
    first = a_stored_video(ada, "video", bytes(2 * 1024 * 1024))
    videos = [first] + [a_generation(ada, prompt=f"video {n}") for n in range(199)]
    Generation.objects.exclude(pk=first.pk).update(state="completed", archive="saved", video_file=first.video_file.name)
    answer = client.post("/selection/zip/", ticked(*videos))
    tracemalloc.start()
    size = sum(len(piece) for piece in answer.streaming_content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"{size / 1024**2:.0f} MB sent, {peak / 1024**2:.1f} MB of memory at most")
    assert size == int(answer["Content-Length"]) > 400 * 1024**2
    assert peak < 16 * 1024**2


def test_collections_are_created_filled_renamed_and_deleted(client, ada):
    video, other = a_stored_video(ada, "video"), a_stored_video(ada, "other")
    client.post("/selection/collections/", ticked(video) | {"into": "", "name": "  Client   A "}, headers=HTMX)
    shelf = Collection.objects.get(name="Client A")
    again = client.post("/selection/collections/", ticked(video, other) | {"name": "client a"}, headers=HTMX)
    link = f'<a href="/?collection={shelf.uuid}" dir="auto">Client A</a>'
    assert f"Added 1 video to {link}. 1 video was in it already." in again.content.decode()
    assert shelf.generations.count() == 2
    assert "2 videos" in client.get("/collections/").content.decode()
    other.trash(ada)
    assert "1 video<" in client.get("/collections/").content.decode()
    client.post("/collections/", {"name": "CLIENT A"})
    assert Collection.objects.count() == 1
    client.post(f"/collections/{shelf.uuid}/name/", {"name": "Client B"})
    shelf.refresh_from_db()
    assert shelf.name == "Client B"
    client.post("/selection/collections/", ticked(video) | {"out": "1", "collection": str(shelf.uuid)}, headers=HTMX)
    assert list(shelf.generations.all()) == [other]
    client.force_login(a_member("ben"))
    assert client.post(f"/collections/{shelf.uuid}/removal/").status_code == 403
    client.force_login(ada)
    client.post(f"/collections/{shelf.uuid}/removal/")
    assert not Collection.objects.exists()
    assert Generation.objects.filter(pk=video.pk).exists()


def test_the_collections_of_a_video_are_listed(client, ada):
    video = a_stored_video(ada, "video")
    one, _ = Collection.objects.named("One", ada)
    two, _ = Collection.objects.named("Two", ada)
    one.add([video], ada)
    answer = client.post(
        f"/generations/{video.uuid}/collections/",
        {"was": [str(one.uuid)], "in": [str(two.uuid), "garbage"], "name": "Three\0"},
        headers=HTMX,
    )
    assert {shelf.name for shelf in video.collections.all()} == {"Two", "Three"}
    assert f"collections-menu-{video.uuid}" in answer.content.decode()
    assert "Three" in client.get(f"/generations/{video.uuid}/menu/").content.decode()


def test_concurrent_changes_to_a_video_s_collections_are_both_kept(client, ada):
    video = a_stored_video(ada, "video")
    one, two, three = (Collection.objects.named(name, ada)[0] for name in ("One", "Two", "Three"))
    one.add([video], ada)
    page = client.get(f"/generations/{video.uuid}/menu/").content.decode()
    was = re.findall('name="was" value="([^"]+)"', page)
    assert was == [str(one.uuid)]
    # Meanwhile somebody else puts it into another and takes it out of the one it was in.
    two.add([video], ada)
    one.remove([video])
    client.post(f"/generations/{video.uuid}/collections/", {"was": was, "in": [*was, str(three.uuid)]}, headers=HTMX)
    assert {shelf.name for shelf in video.collections.all()} == {"Two", "Three"}


def test_collections_show_their_newest_videos_with_a_constant_number_of_queries(client, ada, django_assert_num_queries):
    videos = [a_stored_video(ada, f"video {n}") for n in range(6)]
    thrown_away, unsaved = a_stored_video(ada, "thrown away"), a_generation(ada)
    thrown_away.trash(ada)
    full, empty = (Collection.objects.named(name, ada)[0] for name in ("Full", "Empty"))
    full.add([*videos, thrown_away, unsaved], ada)
    client.get("/collections/")
    with CaptureQueriesContext(connection) as few:
        page = client.get("/collections/").content.decode()
    shown = re.findall(r'<img src="/generations/([0-9a-f-]+)/poster"', page)
    assert shown == [str(video.uuid) for video in reversed(videos[-4:])]
    assert "7 videos" in page and "0 videos" in page
    for n in range(20):
        Collection.objects.named(f"More {n}", ada)[0].add(videos, ada)
    with django_assert_num_queries(len(few)):
        assert client.get("/collections/").content.decode().count("/poster") == 21 * 4
    assert empty.generations.count() == 0


def test_the_number_of_collections_of_a_member_is_limited_everywhere(client, ada, monkeypatch):
    monkeypatch.setattr(collections, "COLLECTIONS_AT_MOST", 2)
    video = a_stored_video(ada, "video")
    for name in ("One", "Two"):
        client.post("/collections/", {"name": name})
    words = "You have 2 collections, as many as a member may make. Delete one first."
    assert words in client.post("/collections/", {"name": "Three"}, follow=True).content.decode()
    into = f"/generations/{video.uuid}/collections/"
    assert words in client.post(into, {"name": "Three"}, headers=HTMX).content.decode()
    assert words in client.post(into, {"name": "Three"}, follow=True).content.decode()
    new = ticked(video) | {"into": "", "name": "Three"}
    assert words in client.post("/selection/collections/", new, headers=HTMX).content.decode()
    assert Collection.objects.count() == 2
    client.post(into, {"name": "two"}, headers=HTMX)
    assert video.collections.get().name == "Two", "one that is there already can be used"
    Collection.objects.named("Three", a_member("ben"))
    assert Collection.objects.count() == 3, "each member has a separate limit"


def pages_of_collections(client) -> list[list[str]]:
    pages, address = [], "/collections/"
    while address:
        page = client.get(address).content.decode()
        pages.append(re.findall(r"<b[^>]* data-find>(\w+)</b>", page))
        following = re.search(r'href="([^"]+)" rel="next"', page)
        address = following and following[1]
    return pages


def test_collections_are_paginated_newest_first_and_by_name_where_they_share_a_position(client, ada, monkeypatch):
    monkeypatch.setattr(collection_views, "PAGE_SIZE", 2)
    for name in ("delta", "Alpha", "charlie", "Bravo", "echo"):
        Collection.objects.named(name, ada)
    assert pages_of_collections(client) == [["echo", "Bravo"], ["charlie", "Alpha"], ["delta"]]
    # As an earlier version creates them.
    Collection.objects.update(position=0)
    assert pages_of_collections(client) == [["Alpha", "Bravo"], ["charlie", "delta"], ["echo"]]
    assert client.get("/collections/?after=nonsense").status_code == 200


def test_an_invalid_collection_name_is_refused_with_a_message(client, ada):
    for name in ("", "   ", "\0"):
        assert (
            "Enter a name for the collection"
            in client.post("/collections/", {"name": name}, follow=True).content.decode()
        )
    assert not Collection.objects.exists()


def a_row(member, state: str) -> Generation:
    generation = a_generation(member, prompt=state)
    Generation.objects.filter(pk=generation.pk).update(state=state)
    return generation


def test_failed_and_canceled_videos_are_retried_and_the_rest_is_named(client, ada):
    ben = a_member("ben")
    rows = [a_row(ada, state) for state in ("failed", "canceled", "unconfirmed", "completed", "processing")]
    answer = client.post("/selection/retries/", ticked(*rows, a_row(ben, "failed")), headers=HTMX)
    words = json.loads(answer.headers["HX-Trigger"])["toast"]["text"]
    assert words == (
        "Retried 2 videos. 1 video can only be retried by their author or an admin. "
        "1 video may be charged twice: retry each on its card."
    )
    again = Generation.objects.filter(retry_of__isnull=False).order_by("pk")
    assert [(row.retry_of, row.state, row.member) for row in again] == [(row, "queued", ada) for row in rows[:2]]
    assert all(f'id="generation-{row.uuid}"' in answer.content.decode() for row in again)


def test_a_repeated_retry_creates_nothing(client, ada):
    row = a_row(ada, "failed")
    for _ in range(2):
        client.post("/selection/retries/", ticked(row), headers=HTMX)
    assert row.retries.count() == 1


@pytest.mark.parametrize("code", GIVEN_UP)
def test_a_given_up_video_is_retried_on_its_card_only(client, ada, code):
    row = a_row(ada, "failed")
    Generation.objects.filter(pk=row.pk).update(error_code=code)
    assert "data-doubtful" in client.get("/").content.decode()
    answer = client.post("/selection/retries/", ticked(row), headers=HTMX)
    words = json.loads(answer.headers["HX-Trigger"])["toast"]["text"]
    assert words == "Nothing was retried. 1 video may be charged twice: retry each on its card."
    assert not row.retries.exists()
    client.post(f"/generations/{row.uuid}/retries/", headers=HTMX)
    assert row.retries.count() == 1


def an_older_retry(row: Generation, state: str, **facts) -> Generation:
    """Create a retry of this row that is in this state, and old enough not to count as a double click."""
    facts |= {"state": state, "retry_of": row, "created_at": timezone.now() - timedelta(hours=1)}
    retry = a_generation(row.member, prompt=row.prompt)
    Generation.objects.filter(pk=retry.pk).update(**facts)
    return Generation.objects.get(pk=retry.pk)


def test_of_a_failed_video_and_its_failed_retry_only_the_retry_is_requested_again(client, ada):
    first, single = a_row(ada, "failed"), a_row(ada, "failed")
    second = an_older_retry(first, "failed")
    third = an_older_retry(second, "failed")
    answer = client.post("/selection/retries/", ticked(first, second, third, single), headers=HTMX)
    words = json.loads(answer.headers["HX-Trigger"])["toast"]["text"]
    assert words == "Retried 2 videos. 2 videos were retried already."
    queued = Generation.objects.filter(state="queued")
    assert set(queued.values_list("retry_of", flat=True)) == {third.pk, single.pk}


@pytest.mark.parametrize("facts", [{"state": "completed"}, {"state": "failed", "error_code": "overdue"}])
def test_a_video_whose_retry_may_be_charged_is_not_requested_again_with_others(client, ada, facts):
    row = a_row(ada, "failed")
    retry = an_older_retry(row, **facts)
    answer = client.post("/selection/retries/", ticked(row), headers=HTMX)
    words = json.loads(answer.headers["HX-Trigger"])["toast"]["text"]
    assert words == "Nothing was retried. 1 video was retried already."
    assert retry.trash(ada)
    client.post("/selection/retries/", ticked(row), headers=HTMX)
    assert Generation.objects.filter(state="queued", retry_of=row).count() == 1


def test_without_javascript_the_page_says_what_was_retried(client, ada):
    answer = client.post("/selection/retries/", ticked(a_row(ada, "failed")), follow=True)
    assert "Retried 1 video." in answer.content.decode()


@pytest.mark.parametrize(
    ("states", "words"),
    [((), "No videos are selected."), (("completed", "processing"), "None of the selected videos failed")],
)
def test_nothing_is_retried_if_nothing_failed(client, ada, states, words):
    answer = client.post("/selection/retries/", ticked(*(a_row(ada, state) for state in states)), headers=HTMX)
    assert json.loads(answer.headers["HX-Trigger"])["toast"]["text"].startswith(words)
    assert not Generation.objects.filter(state="queued").exists()


def test_videos_that_another_tab_moved_to_the_trash_are_named(client, ada):
    row = a_row(ada, "failed")
    assert "Moved 1 video" in client.post("/selection/trash/", ticked(row), headers=HTMX).content.decode()
    words = "The selected videos are in the trash already."
    assert words in client.post("/selection/trash/", ticked(row), headers=HTMX).content.decode()
    assert words in client.post("/selection/retries/", ticked(row), headers=HTMX).headers["HX-Trigger"]
    assert not Generation.objects.filter(state="queued").exists()

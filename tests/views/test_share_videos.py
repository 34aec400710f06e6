"""Links for guests to several videos: what they show, to whom, and for how long."""

import io
import re
import zipfile
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from videos.forms import ShareVideosForm
from videos.limits import MAX_SHARED
from videos.models import Collection, Generation, Member, Share
from videos.models import share as share_model

from ..support.factories import a_generation, a_member, an_admin
from ..support.saved_videos import a_saved_one

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true", "HX-Target": "share-links"}
DIALOG = {"HX-Request": "true", "HX-Target": "share-dialog"}


@pytest.fixture
def videos() -> list[Generation]:
    """Create three saved videos of Ada's, the oldest first."""
    return [a_saved_one(prompt=f"Video number {number}") for number in (1, 2, 3)]


def signed_in(member: Member) -> Client:
    client = Client()
    client.force_login(member)
    return client


def ids(*videos: Generation) -> list[str]:
    return [str(video.uuid) for video in videos]


def a_selection_link(videos, *, by: Member | None = None, **fields) -> Share:
    sent = {"v": ids(*videos), "title": "Dailies", "days": "7", "download": "1"} | fields
    answer = signed_in(by or videos[0].member).post("/selection/shares/", sent)
    assert answer.status_code == 302, answer.content.decode()
    return Share.objects.first()


def a_collection(videos, name: str = "Client A") -> Collection:
    collection, _ = Collection.objects.named(name, videos[0].member)
    collection.add(videos, videos[0].member)
    return collection


def a_collection_link(collection: Collection, **fields) -> Share:
    path = reverse("shares-of-collection", args=[collection.uuid])
    answer = signed_in(collection.created_by).post(path, {"title": "Dailies", "days": "7", "download": "1"} | fields)
    assert answer.status_code == 302, answer.content.decode()
    return Share.objects.first()


def shown(share: Share) -> list[str]:
    """Return the uuids of the videos on the guest's page, in the order of its player; [] if the link is closed."""
    answer = Client().get(share.secret_path)
    if answer.status_code == 404:
        return []
    return re.findall(r'data-src="[^"]+/([0-9a-f-]{36})/video"', answer.content.decode())


def media(share: Share, video: Generation, kind: str = "video", **options):
    return Client().get(reverse(f"guest-{kind}", args=[share.uuid, share.key, video.uuid]), **options)


def the_zip(share: Share):
    return Client().get(reverse("guest-zip", args=[share.uuid, share.key]))


def files_in(answer) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


# ── Selections ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_selection_becomes_a_titled_page_in_the_order_of_the_form(videos):
    ben = a_member("ben")
    chosen = [videos[2], videos[0]]
    share = a_selection_link(chosen, by=ben, title="  Dailies \n for “Orion” ")
    assert (share.shared_by, share.title, share.download) == (ben, "Dailies for “Orion”", True)
    assert abs(share.expires_at - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)
    assert shown(share) == ids(*chosen)
    page = Client().get(share.secret_path).content.decode()
    assert "Dailies for “Orion”</h1>" in page and "<title>Dailies for “Orion” · Lumaweb</title>" in page
    for video in chosen:
        assert media(share, video).status_code == media(share, video, "poster").status_code == 200
    assert media(share, videos[1]).status_code == media(share, videos[1], "poster").status_code == 404
    for video in videos:
        assert video.events.filter(kind="shared", member=ben).exists() is (video in chosen)
    assert share.key not in "".join(event.text for event in videos[0].events.all())


def test_the_new_link_is_found_among_one_s_own_links_and_in_each_video_s_panel(videos):
    ada = signed_in(videos[0].member)
    answer = ada.post("/selection/shares/", {"v": ids(*videos), "days": "1"})
    share = Share.objects.get()
    assert answer["Location"] == f"/shares/#link-{share.uuid}"
    for path in ("/shares/", f"/generations/{videos[1].uuid}/shares/"):
        page = ada.get(path).content.decode()
        assert share.secret_path in page and "3 videos" in page, path
    assert share.secret_path not in signed_in(a_member("ben")).get("/shares/").content.decode()
    assert share.secret_path in signed_in(an_admin()).get("/team/shares/").content.decode()
    fragment = ada.post("/selection/shares/", {"v": ids(*videos), "days": "1"}, headers=HTMX).content.decode()
    made = Share.objects.first()
    assert made != share and made.secret_path in fragment and "data-made" in fragment and "<html" not in fragment


@pytest.mark.parametrize("headers", [{}, DIALOG], ids=["page", "dialog"])
def test_the_form_names_how_many_videos_the_link_shows_and_how_many_are_left_out(videos, headers):
    ada = videos[0].member
    waiting = a_generation(ada)
    answer = signed_in(ada).post("/selection/share/", {"v": ids(*videos, waiting)}, headers=headers)
    page = answer.content.decode()
    assert "3 videos" in page and "1 more is not saved and left out" in page
    assert re.findall(r'name="v" value="([^"]+)"', page) == ids(*videos)
    assert ("<html" in page) is not headers
    page = signed_in(ada).post("/selection/share/", {"v": ids(waiting)}, headers=headers).content.decode()
    assert "None of these videos is saved" in page and 'name="days"' not in page


def test_unsaved_trashed_and_unknown_videos_are_not_shared(videos):
    ada = videos[0].member
    waiting, gone = a_generation(ada), videos[2]
    assert gone.trash(ada)
    share = a_selection_link([videos[0], waiting, gone, videos[1]])
    assert [item.generation for item in share.items.all()] == videos[:2]
    nowhere = "00000000-0000-4000-8000-000000000000"
    for sent in ([], ids(waiting), ids(gone), [nowhere], ["x"]):
        answer = signed_in(ada).post("/selection/shares/", {"v": sent, "days": "7"})
        assert answer.status_code == 422, sent
    assert Share.objects.count() == 1


def test_a_video_that_is_named_in_several_ways_is_shown_once(videos):
    (one,) = ids(videos[0])
    forged = [one, one.upper(), f"{{{one}}}", f"urn:uuid:{one}", one.replace("-", ""), "\0", "x" * 5_000, "../"]
    assert shown(a_selection_link(videos[:1], v=forged)) == [one]


@pytest.mark.parametrize("title", ["第" * 120, "🎬" * 120, "../../etc/" * 12, "\u202e.exe" * 24, "CON", "a" * 120, "…"])
def test_a_long_or_odd_title_gives_names_that_every_system_takes(videos, title):
    share = a_selection_link(videos, title=title)
    assert shown(share) == ids(*videos) and "\u202e" not in Client().get(share.secret_path).content.decode()
    names = [*files_in(the_zip(share))]
    assert len({*names}) == 3
    for name in names:
        assert len(name.encode()) < 200 and not re.search(r'[/\\:*?"<>|\u202e]|^\.', name), name
    answer = signed_in(videos[0].member).post(
        "/selection/shares/", {"v": ids(*videos), "days": "7", "title": "x" * 10**5}
    )
    assert answer.status_code == 422 and "longer than 120 characters" in answer.content.decode()


@pytest.mark.parametrize("off", ["", "0", "false", "no", "off", "OFF"])
def test_scripts_may_name_a_switch_that_is_off(videos, off):
    assert not a_selection_link(videos, with_prompt=off).with_prompt
    path = reverse("shares-of", args=[videos[0].uuid])
    signed_in(videos[0].member).post(path, {"days": "7", "with_prompt": off, "chain": off, "download": off})
    share = Share.objects.first()
    assert (share.with_prompt, share.chain, share.download) == (False, False, False)


@pytest.mark.parametrize("days", [None, "", "0", "8", "365", "x"])
def test_only_the_offered_durations_are_accepted(videos, days):
    collection = a_collection(videos)
    fields = {"days": days} if days is not None else {}
    for path in ("/selection/shares/", reverse("shares-of-collection", args=[collection.uuid])):
        for headers in ({}, HTMX):
            answer = signed_in(videos[0].member).post(path, {"v": ids(*videos), **fields}, headers=headers)
            assert answer.status_code == 422 and "1, 7, 30 or 90" in answer.content.decode()
    assert not Share.objects.exists()


def test_an_error_keeps_what_was_written(videos):
    sent = {"v": ids(*videos), "title": "Dailies <3", "days": "30", "with_prompt": "on", "download": ""}
    page = signed_in(videos[0].member).post("/selection/shares/", sent | {"title": "x" * 121}).content.decode()
    assert "The title is longer than 120 characters." in page
    page = signed_in(videos[0].member).post("/selection/shares/", sent | {"days": "x"}).content.decode()
    assert 'value="Dailies &lt;3"' in page
    assert re.search(r'type="checkbox" name="with_prompt" checked', page)
    assert not re.search(r'type="checkbox" name="download" checked', page)


def test_a_link_shows_at_most_so_many_videos(videos, monkeypatch):
    monkeypatch.setattr("videos.forms.share.MAX_SHARED", 2)
    monkeypatch.setattr("videos.views.share_videos.MAX_SHARED", 2)
    ada = signed_in(videos[0].member)
    collection = a_collection(videos)
    for path in ("/selection/shares/", reverse("shares-of-collection", args=[collection.uuid])):
        for headers in ({}, HTMX):
            answer = ada.post(path, {"v": ids(*videos), "days": "7"}, headers=headers)
            assert answer.status_code == 422
            assert "A link can show at most 2 videos, and these are 3." in answer.content.decode()
    assert not Share.objects.exists()


def test_a_form_with_more_videos_than_fields_are_allowed_says_so(videos):
    sent = {"v": [f"00000000-0000-4000-8000-{number:012}" for number in range(600)], "days": "7"}
    answer = signed_in(videos[0].member).post("/selection/shares/", sent)
    assert answer.status_code == 400 and "Select fewer videos" in answer.content.decode()
    assert MAX_SHARED < 480


def test_the_number_of_links_of_a_member_is_limited(videos, monkeypatch):
    monkeypatch.setattr(share_model, "LINKS_AT_MOST", 1)
    a_selection_link(videos)
    answer = signed_in(videos[0].member).post("/selection/shares/", {"v": ids(*videos), "days": "7"})
    assert answer.status_code == 422 and "You have 1 links that are open" in answer.content.decode()


# ── Collections ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_link_to_a_collection_shows_what_was_in_it_when_it_was_made(videos):
    collection = a_collection(videos[:2])
    share = a_collection_link(collection)
    assert shown(share) == ids(videos[1], videos[0]), "the newest first, as in the gallery"
    collection.add([videos[2]], videos[0].member)
    collection.remove([videos[0]])
    assert shown(share) == ids(videos[1], videos[0])
    assert media(share, videos[2]).status_code == 404
    assert "Updated as videos" not in Client().get(share.secret_path).content.decode()
    collection.delete()
    assert shown(share) == ids(videos[1], videos[0])
    assert share.secret_path in signed_in(videos[0].member).get("/shares/").content.decode()


def test_following_a_collection_is_off_unless_chosen_and_says_so(videos):
    collection = a_collection(videos[:2])
    ada = signed_in(videos[0].member)
    path = reverse("shares-of-collection", args=[collection.uuid])
    form = ada.get(path).content.decode()
    assert re.search(r'name="follow" value="" checked', form) and "videos that anyone adds later" in form
    assert 'value="Client A"' in form, "the name is the proposed title"
    share = a_collection_link(collection, follow="on")
    assert share.follows and not share.items.exists()
    assert "Follows the collection" in ada.get(path).content.decode()
    assert "Updated as videos are added or removed." in Client().get(share.secret_path).content.decode()
    collection.add([videos[2]], videos[0].member)
    collection.remove([videos[1]])
    assert shown(share) == ids(videos[2], videos[0])
    assert media(share, videos[2]).status_code == 200
    assert media(share, videos[1]).status_code == 404
    assert share.secret_path in ada.get(f"/generations/{videos[2].uuid}/shares/").content.decode()


@pytest.mark.parametrize("follow", ["", "0", "false", "no", "off"])
def test_other_words_than_on_do_not_follow(videos, follow):
    assert not a_collection_link(a_collection(videos), follow=follow).follows


def test_a_link_that_follows_a_deleted_collection_is_closed_and_no_longer_listed(videos):
    collection = a_collection(videos)
    share = a_collection_link(collection, follow="on")
    # As a process of the version before deletes it, without knowing of links to collections.
    collection.items.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM videos_collection WHERE id = %s", [collection.pk])
    assert shown(share) == []
    for path in ("/shares/", f"/generations/{videos[0].uuid}/shares/"):
        assert share.secret_path not in signed_in(videos[0].member).get(path).content.decode()


@pytest.mark.parametrize("follow", ["", "on"], ids=["snapshot", "following"])
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_a_collection_that_is_deleted_while_it_is_shared_gets_no_link(videos, monkeypatch, follow, headers):
    collection, save = a_collection(videos), ShareVideosForm.save

    def save_too_late(form: ShareVideosForm, member: Member) -> Share | None:
        Collection.objects.get().delete()
        return save(form, member)

    monkeypatch.setattr(ShareVideosForm, "save", save_too_late)
    path = reverse("shares-of-collection", args=[collection.uuid])
    answer = signed_in(videos[0].member).post(path, {"days": "7", "follow": follow}, headers=headers)
    assert answer.status_code == 422
    assert "No link was created: the collection was deleted meanwhile." in answer.content.decode()
    assert not Share.objects.exists() and not videos[0].events.filter(kind="shared").exists()


def test_a_link_that_ends_at_the_moment_it_is_made_is_no_error(videos, monkeypatch):
    collection, save = a_collection(videos), ShareVideosForm.save

    def save_and_delete(form: ShareVideosForm, member: Member) -> Share | None:
        share = save(form, member)
        Collection.objects.get().delete()
        return share

    monkeypatch.setattr(ShareVideosForm, "save", save_and_delete)
    path = reverse("shares-of-collection", args=[collection.uuid])
    answer = signed_in(videos[0].member).post(path, {"days": "7", "follow": "on"}, headers=HTMX)
    assert answer.status_code == 200
    assert shown(Share.objects.get()) == []


def test_links_and_collections_of_an_earlier_version_get_the_values_they_had(videos):
    ada, link, now = videos[0].member, uuid4(), timezone.now()
    columns = {"uuid": link.hex, "generation_id": videos[0].pk, "chain": False, "with_prompt": False}
    columns |= {"shared_by_id": ada.pk, "created_at": now, "expires_at": now + timedelta(days=1), "watched": 0}
    collection = {"uuid": uuid4().hex, "name": "Earlier", "created_by_id": ada.pk, "created_at": now}
    with connection.cursor() as cursor:
        for table, values in (("videos_share", columns), ("videos_collection", collection)):
            places = ", ".join(["%s"] * len(values))
            cursor.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", [*values.values()])
    share = Share.objects.get(uuid=link)
    assert (share.title, share.download, share.follows, share.collection) == ("", True, False, None)
    page = Client().get(share.secret_path)
    assert page.status_code == 200 and "Download" in page.content.decode()
    assert [row.name for row in Collection.objects.in_order()] == ["Earlier"]


def test_a_link_to_a_collection_that_an_earlier_version_deleted_can_be_revoked(videos):
    collection = a_collection(videos)
    share = a_collection_link(collection)
    collection.items.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM videos_collection WHERE id = %s", [collection.pk])
    path = reverse("share-revocation", args=[share.uuid])
    assert signed_in(videos[0].member).post(path, {"from": "collection"})["Location"] == "/shares/"
    assert shown(share) == []


def test_a_followed_collection_may_become_empty_and_fill_again(videos):
    collection = a_collection(videos[:1])
    share = a_collection_link(collection, follow="on")
    collection.remove([videos[0]])
    page = Client().get(share.secret_path)
    assert page.status_code == 200 and "Videos appear here when they are added." in page.content.decode()
    assert shown(share) == [] and media(share, videos[0]).status_code == 404
    assert "the link shows nothing" in signed_in(videos[0].member).get("/shares/").content.decode()
    collection.add([videos[1]], videos[0].member)
    assert shown(share) == ids(videos[1])


# ── Guests ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("follow", ["", "on"], ids=["snapshot", "following"])
def test_trashed_and_purged_videos_vanish_and_restored_ones_come_back(videos, follow):
    ada = videos[0].member
    share = a_collection_link(a_collection(videos), follow=follow)
    assert videos[1].trash(ada)
    assert shown(share) == ids(videos[2], videos[0])
    assert media(share, videos[1]).status_code == media(share, videos[1], "poster").status_code == 404
    assert [*files_in(the_zip(share))] == ["01-dailies.mp4", "02-dailies.mp4"]
    assert videos[1].restore(ada)
    assert shown(share) == ids(videos[2], videos[1], videos[0])
    videos[1].refresh_from_db()
    assert videos[1].trash(ada) and videos[1].purge(ada)
    assert shown(share) == ids(videos[2], videos[0])
    for video in (videos[0], videos[2]):
        assert video.trash(ada)
    unknown = Client().get("/watch/x/y/").content
    assert the_zip(share).content == unknown
    # A followed collection may fill again.
    assert (Client().get(share.secret_path).content == unknown) == (not follow) and shown(share) == []


def end_by_revoking(share: Share) -> None:
    assert share.revoke(share.shared_by)


def end_by_expiry(share: Share) -> None:
    Share.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize("follow", ["", "on"], ids=["snapshot", "following"])
@pytest.mark.parametrize("end", [end_by_revoking, end_by_expiry])
def test_an_ended_link_closes_its_page_its_media_and_its_zip_at_once(videos, end, follow):
    share = a_collection_link(a_collection(videos), follow=follow)
    paths = [share.secret_path, reverse("guest-zip", args=[share.uuid, share.key])]
    paths += [reverse(f"guest-{kind}", args=[share.uuid, share.key, videos[0].uuid]) for kind in ("video", "poster")]
    assert {Client().get(path).status_code for path in paths} == {200}
    end(share)
    unknown = Client().get("/watch/x/y/").content
    for path in paths:
        answer = Client().get(path)
        assert (answer.status_code, answer.content) == (404, unknown)
        assert not answer.cookies
    assert videos[0].events.filter(kind="unshared").exists() is (end is end_by_revoking)


def test_a_download_that_has_begun_ends_whole_and_its_next_range_is_refused(videos):
    share = a_selection_link(videos)
    begun, part = the_zip(share), media(share, videos[0], headers={"Range": "bytes=0-1"})
    assert part.status_code == 206
    chunks = begun.streaming_content
    body = next(chunks)
    assert share.revoke(share.shared_by)
    body += b"".join(chunks)
    assert len(body) == int(begun["Content-Length"])
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert not archive.testzip(), "every entry can be read"
        assert len(archive.namelist()) == 3
    for headers in (
        {"Range": "bytes=2-"},
        {"Range": "bytes=2-", "If-Range": part["ETag"]},
        {"If-None-Match": part["ETag"]},
    ):
        assert media(share, videos[0], headers=headers).status_code == 404
    assert the_zip(share).status_code == 404


def test_no_other_key_or_link_opens_a_video(videos):
    share, other = a_selection_link(videos[:1]), a_selection_link(videos[1:])
    for kind in ("video", "poster"):
        for link, key, video in (
            (share, other.key, videos[0]),
            (share, share.key, videos[1]),
            (other, other.key, videos[0]),
            (other, "x", videos[1]),
        ):
            assert Client().get(reverse(f"guest-{kind}", args=[link.uuid, key, video.uuid])).status_code == 404
    assert Client().get(reverse("guest-zip", args=[share.uuid, other.key])).status_code == 404


def test_a_guest_s_player_may_seek_and_revalidates(videos):
    share = a_selection_link(videos)
    answer = media(share, videos[1], headers={"Range": "bytes=1-2"})
    assert answer.status_code == 206 and b"".join(answer.streaming_content) == b"il"
    assert "no-cache" in answer["Cache-Control"]


@pytest.mark.parametrize("with_prompt", [True, False])
def test_guests_see_no_names_and_prompts_only_if_allowed(videos, with_prompt):
    Member.objects.filter(username="ada").update(username="zenobia")
    share = a_selection_link(videos, **({"with_prompt": "on"} if with_prompt else {}))
    seen = set()
    for who in (Client(), signed_in(an_admin())):
        page = who.get(share.secret_path)
        assert not page.cookies and "noindex" in page["X-Robots-Tag"] and page["Referrer-Policy"] == "no-referrer"
        seen.add(page.content.decode())
    assert len(seen) == 1, "every visitor gets the same page"
    (text,) = seen
    for video in videos:
        assert (video.prompt in text) is with_prompt
        assert video.task_id not in text and video.video_id not in text
    text = text.replace(share.key, "")
    for word in ("zenobia", "root", "csrf", "/login", "/generations/", "htmx", "og:", "Client A", "http:"):
        assert word not in text, word
    names = [*files_in(the_zip(share))]
    if with_prompt:
        assert all(re.match(rf"0{number}-video.number", name, re.I) for number, name in enumerate(names, 1))
    else:
        assert names == ["01-dailies.mp4", "02-dailies.mp4", "03-dailies.mp4"]


def test_the_zip_holds_all_videos_in_order_and_its_length_is_known(videos):
    share = a_selection_link(videos, title="Für Émile, 第一集")
    answer = the_zip(share)
    assert answer.status_code == 200 and answer["Content-Type"] == "application/zip"
    assert "no-store" in answer["Cache-Control"] and "noindex" in answer["X-Robots-Tag"]
    length = int(answer["Content-Length"])
    body = b"".join(answer.streaming_content)
    assert len(body) == length
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.namelist() == [f"0{number}-für-émile-第一集.mp4" for number in (1, 2, 3)]
        assert archive.read(archive.namelist()[0]) == b"film"
    assert "%E7%AC%AC" in answer["Content-Disposition"]
    single = media(share, videos[2], query_params={"download": "3"})
    assert "attachment" in single["Content-Disposition"] and "-03.mp4" in single["Content-Disposition"]


@pytest.mark.parametrize("download", [None, "", "0", "off", "false"])
def test_a_link_without_downloads_plays_but_gives_out_no_files(videos, download):
    sent = {"v": ids(*videos), "days": "7"} | ({"download": download} if download is not None else {})
    assert signed_in(videos[0].member).post("/selection/shares/", sent).status_code == 302
    share = Share.objects.get()
    page = Client().get(share.secret_path).content.decode()
    assert "Download" not in page and ".zip" not in page and 'controlslist="nodownload"' in page
    assert the_zip(share).status_code == 404
    assert media(share, videos[0]).status_code == 200
    assert media(share, videos[0], query_params={"download": "1"}).status_code == 404


def test_a_link_to_one_video_may_have_a_title_and_no_downloads(videos):
    ada, video = signed_in(videos[0].member), videos[0]
    path = reverse("shares-of", args=[video.uuid])
    ada.post(path, {"days": "7", "title": "The opening", "download": ""})
    closed = Share.objects.first()
    page = Client().get(closed.secret_path).content.decode()
    assert "The opening</h1>" in page and "Download" not in page
    assert media(closed, video, query_params={"download": "1"}).status_code == 404
    ada.post(path, {"days": "7"})
    open_one = Share.objects.first()
    assert open_one.download and "Download" in Client().get(open_one.secret_path).content.decode()
    assert 'filename="video.mp4"' in media(open_one, video, query_params={"download": "1"})["Content-Disposition"]


def test_a_request_for_one_of_many_videos_does_not_read_the_others(videos):
    many = [a_saved_one(prompt=f"More {number}") for number in range(12)]
    for fields in ({}, {"follow": "on"}):
        share = a_collection_link(a_collection(many, f"Many {fields}"), **fields)
        with CaptureQueriesContext(connection) as queries:
            assert media(share, many[3]).status_code == 200
        reads = [query["sql"] for query in queries if 'FROM "videos_generation"' in query["sql"]]
        assert len(reads) == 1 and "LIMIT 1" in reads[0], reads


def test_pages_with_links_take_the_same_queries_for_one_link_or_many(videos, django_assert_max_num_queries):
    for _ in range(5):
        a_selection_link(videos)
        a_collection_link(a_collection(videos), follow="on")
    ada = signed_in(videos[0].member)
    with django_assert_max_num_queries(8):
        ada.get("/shares/")
    share = Share.objects.first()
    with django_assert_max_num_queries(6):
        Client().get(share.secret_path)


# ── Rights ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_its_creator_and_admins_revoke_a_link_to_several_videos(videos):
    eve, root = a_member("eve"), an_admin()
    collection = a_collection(videos)
    for who, may in ((eve, False), (videos[0].member, True), (root, True)):
        share = a_collection_link(collection)
        path = reverse("share-revocation", args=[share.uuid])
        page = reverse("shares-of-collection", args=[collection.uuid])
        assert (f'action="{path}"' in signed_in(who).get(page).content.decode()) is may
        assert signed_in(who).post(path, {"from": "collection"}).status_code == (302 if may else 403)
        assert bool(shown(share)) is not may


@pytest.mark.parametrize(
    ("place", "leads_to"),
    [("own", "/shares/"), ("collection", "shares-of-collection"), ("video", "shares-of"), ("selection", "/shares/")],
)
def test_revoking_leads_back_to_the_list_of_the_button(videos, place, leads_to):
    collection = a_collection(videos)
    share = a_collection_link(collection)
    uuid = {"collection": collection.uuid, "video": videos[1].uuid}.get(place)
    expected = reverse(leads_to, args=[uuid]) if uuid else leads_to
    sent = {"from": str(videos[1].uuid) if place == "video" else place}
    path = reverse("share-revocation", args=[share.uuid])
    assert signed_in(videos[0].member).post(path, sent)["Location"] == expected
    late = a_collection_link(collection)
    path = reverse("share-revocation", args=[late.uuid])
    fragment = signed_in(videos[0].member).post(path, sent, headers=HTMX).content.decode()
    assert "no longer opens anything" in fragment and late.secret_path not in fragment


def test_every_member_may_share_a_colleague_s_videos_and_nobody_without_an_account(videos):
    collection = a_collection(videos)
    for path in ("/selection/shares/", "/selection/share/", reverse("shares-of-collection", args=[collection.uuid])):
        answer = Client().post(path, {"v": ids(*videos), "days": "7"})
        assert answer["Location"].startswith("/login/")
    assert not Share.objects.exists()
    assert shown(a_selection_link(videos, by=a_member("ben"))) == ids(*videos)


def test_a_shared_video_is_not_disposable_while_the_link_is_open(videos):
    ada = videos[0].member
    video = videos[0]
    assert video.choose("rejected", ada)
    video.events.filter(kind="rejected").update(at=timezone.now() - timedelta(days=40))
    before = timezone.now() - timedelta(days=30)
    assert list(Generation.objects.disposable(before)) == [video]
    share = a_selection_link(videos)
    assert not Generation.objects.disposable(before).exists()
    share.revoke(ada)
    assert list(Generation.objects.disposable(before)) == [video]

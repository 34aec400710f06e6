"""Links for guests: what they open, for how long, and what they do not reveal."""

import json
import re
from datetime import timedelta

import pytest
from django.core import serializers
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from videos.models import Generation, Member, Share
from videos.models import share as share_model
from videos.models.share import DAYS

from ..support.factories import a_generation, a_member, an_admin
from ..support.saved_videos import a_saved_one

pytestmark = pytest.mark.django_db

PROMPT = "A heron over still water"
PANEL = {"HX-Request": "true", "HX-Target": "share-links"}


def a_share(generation: Generation | None = None, *, by: Member | None = None, **terms) -> Share:
    generation = generation or a_saved_one(prompt=PROMPT)
    terms = {"days": 7, "chain": False, "with_prompt": False} | terms
    return Share.objects.create_for(generation, by or generation.member, **terms)


def a_chain(length: int = 3) -> list[Generation]:
    videos = [a_saved_one(prompt="Video number 1")]
    for number in range(2, length + 1):
        videos.append(a_saved_one(prompt=f"Video number {number}", action="extend", parent=videos[-1]))
    return videos


def media_of(page) -> list[str]:
    found = re.findall(r' (?:src|poster|data-src|data-poster|href)="(/watch/[^"]+)"', page.content.decode())
    return [path.removesuffix("?download=1") for path in found]


def signed_in(member: Member) -> Client:
    client = Client()
    client.force_login(member)
    return client


# ── Without an account ────────────────────────────────────────────────────────────────────────────────────────


def test_the_number_of_links_of_a_member_is_limited_including_revoked_ones(monkeypatch):
    monkeypatch.setattr(share_model, "LINKS_AT_MOST", 2)
    ada = a_member("ada")
    first, _ = a_share(by=ada), a_share(by=ada)
    first.revoke(ada)
    path = reverse("shares-of", args=[first.generation.uuid])
    for headers in ({}, PANEL):
        answer = signed_in(ada).post(path, {"days": 7}, headers=headers)
        assert answer.status_code == 422
        assert "You have 2 links that are open or were made today" in answer.content.decode()
    assert Share.objects.count() == 2
    Share.objects.update(created_at=timezone.now() - timedelta(days=2))
    assert signed_in(ada).post(path, {"days": 7}).status_code == 302
    a_share(first.generation, by=a_member("ben"))
    assert Share.objects.count() == 4, "each member has a separate limit"


def test_a_link_shows_the_video_to_a_guest(client):
    share = a_share()
    page = client.get(share.secret_path)
    assert page.status_code == 200
    paths = set(media_of(page))
    assert len(paths) == 2
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200 and b"".join(answer.streaming_content) == b"film"


def test_the_file_is_sent_in_ranges(client):
    share = a_share()
    path = reverse("guest-video", args=[share.uuid, share.key, share.generation.uuid])
    answer = client.get(path, headers={"Range": "bytes=1-2"})
    assert answer.status_code == 206
    assert answer["Content-Range"] == "bytes 1-2/4"
    assert b"".join(answer.streaming_content) == b"il"
    assert client.get(path, headers={"Range": "bytes=9-"}).status_code == 416


def test_no_response_sets_a_cookie_or_may_be_cached_or_indexed(client):
    share = a_share()
    member = signed_in(a_member("ben"))
    page = client.get(share.secret_path)
    lost = "/watch/x/y/"
    for who in (client, member):
        for path in (share.secret_path, lost, *media_of(page)):
            answer = who.get(path)
            assert not answer.cookies, path
            assert answer["Referrer-Policy"] == "no-referrer"
            assert "noindex" in answer["X-Robots-Tag"]
            assert "private" in answer["Cache-Control"]
            kept = "no-cache" if answer.streaming else "no-store"
            assert kept in answer["Cache-Control"], path


@pytest.mark.parametrize("with_prompt", [True, False])
def test_the_page_hides_the_team_and_shows_the_prompt_only_if_allowed(client, with_prompt):
    videos = a_chain()
    Member.objects.filter(username="ada").update(username="zenobia")
    for terms in ({"chain": False}, {"chain": True}):
        share = a_share(videos[-1], with_prompt=with_prompt, **terms)
        # The secret itself and the ids in the addresses are random letters, in which any short word may stand.
        random = re.compile(rf"{share.key}|[0-9a-f]{{8}}-[0-9a-f-]{{27}}|\b[0-9a-f]{{12}}\b")
        seen = set()
        for who in (client, signed_in(an_admin(f"root{share.pk}"))):
            text = who.get(share.secret_path).content.decode()
            seen.add(text)
            shown = videos if share.chain else videos[-1:]
            for video in videos:
                assert (video.prompt in text) is (with_prompt and video in shown)
                assert (str(video.uuid) in text) is (video in shown)
                assert video.task_id not in text and video.video_id not in text
            text = random.sub("", text)
            for word in ("zenobia", "root", "csrf", "/login", "/generations/", "htmx", "og:", "Studio", "http:"):
                assert word not in text, word
        assert len(seen) == 1, "every visitor gets the same page"


def test_a_shared_chain_is_shown_in_order_and_only_its_videos_are_public(client):
    videos = a_chain()
    sister = a_saved_one(prompt="Another branch", action="extend", parent=videos[0])
    share = a_share(videos[1], chain=True)
    text = client.get(share.secret_path).content.decode()
    assert re.findall(r'data-src="[^"]+/([0-9a-f-]{36})/video"', text) == [str(video.uuid) for video in videos[:2]]
    for video, status in ((videos[0], 200), (videos[1], 200), (videos[2], 404), (sister, 404)):
        for name in ("guest-video", "guest-poster"):
            assert client.get(reverse(name, args=[share.uuid, share.key, video.uuid])).status_code == status
    alone = a_share(videos[1])
    for video, status in ((videos[0], 404), (videos[1], 200)):
        assert client.get(reverse("guest-video", args=[alone.uuid, alone.key, video.uuid])).status_code == status


def test_a_trashed_video_is_left_out_of_a_shared_chain(client):
    videos = a_chain()
    share = a_share(videos[2], chain=True)
    assert videos[1].trash(videos[1].member)
    text = client.get(share.secret_path).content.decode()
    assert re.findall(r'data-src="[^"]+/([0-9a-f-]{36})/video"', text) == [str(videos[0].uuid), str(videos[2].uuid)]
    assert client.get(reverse("guest-video", args=[share.uuid, share.key, videos[1].uuid])).status_code == 404


def expire(share: Share) -> None:
    Share.objects.filter(pk=share.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def throw_away(share: Share) -> None:
    assert share.generation.trash(share.generation.member)


def purge(share: Share) -> None:
    throw_away(share)
    assert share.generation.purge(share.generation.member)


def lose_the_file(share: Share) -> None:
    Generation.objects.filter(pk=share.generation_id).update(archive="remote")


ENDS = {
    "revoked": lambda share: share.revoke(share.shared_by),
    "expired": expire,
    "trashed": throw_away,
    "purged": purge,
    "unsaved": lose_the_file,
}


@pytest.mark.parametrize("chain", [False, True], ids=["video", "chain"])
@pytest.mark.parametrize("end", ENDS)
def test_expired_revoked_and_unknown_links_are_answered_alike(client, end, chain):
    videos = a_chain(2)
    share = a_share(videos[-1], chain=chain)
    paths = [share.secret_path, *media_of(client.get(share.secret_path))]
    unknown = client.get("/watch/00000000-0000-4000-8000-000000000000/" + "a" * 32 + "/")
    assert unknown.status_code == 404 and b"no longer valid" in unknown.content
    ENDS[end](share)
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.content == unknown.content
        assert not answer.cookies


def test_a_wrong_key_is_refused(client):
    share, other = a_share(), a_share()
    unknown = client.get("/watch/x/y/").content
    keys = (other.key, share.key[:-1], share.key + "a", share.key.swapcase(), "é", "%00", " ", "a" * 5000)
    for key in keys:
        for path in (f"/watch/{share.uuid}/{key}/", f"/watch/{share.uuid}/{key}/{share.generation.uuid}/video"):
            answer = client.get(path)
            assert (answer.status_code, answer.content) == (404, unknown), key
    for uuid in ("x", str(share.uuid)[:-1], "٣" * 36):
        assert client.get(f"/watch/{uuid}/{share.key}/").content == unknown


def test_a_restored_video_can_be_watched_again(client):
    share = a_share()
    throw_away(share)
    assert client.get(share.secret_path).status_code == 404
    share.generation.restore(share.shared_by)
    assert client.get(share.secret_path).status_code == 200


def test_the_database_does_not_contain_the_keys_of_links(settings):
    share = a_share()
    rows = [*Share.objects.all(), *Generation.objects.all(), *share.generation.events.all()]
    assert share.key not in json.dumps(serializers.serialize("json", rows))
    assert len(share.key) == 32 and re.fullmatch(r"[\w-]+", share.key)
    before = share.key
    settings.SECRET_KEY = "another installation's"
    assert Share.objects.get().key != before


def test_only_successful_views_are_counted_once_a_minute(client):
    share = a_share()
    for _ in range(3):
        client.get(share.secret_path)
    client.head(share.secret_path)
    client.get(f"/watch/{share.uuid}/wrong/")
    share.refresh_from_db()
    assert share.watched == 1
    Share.objects.update(watched_at=timezone.now() - timedelta(seconds=61))
    client.head(share.secret_path)
    assert Share.objects.get().watched == 1
    client.get(share.secret_path)
    assert Share.objects.get().watched == 2


def test_two_concurrent_views_count_as_one():
    share = a_share()
    same = Share.objects.get()
    share.count_visit()
    same.count_visit()
    assert Share.objects.get().watched == 1


# ── For members ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("days", DAYS)
def test_sharing_a_teammate_s_video_is_shown_in_its_timeline(days):
    generation = a_saved_one(prompt=PROMPT)
    ben = a_member("ben")
    path = reverse("shares-of", args=[generation.uuid])
    answer = signed_in(ben).post(path, {"days": days, "with_prompt": "on", "chain": "on"})
    share = Share.objects.get()
    assert answer["Location"] == f"{path}#link-{share.uuid}"
    assert share.shared_by == ben and share.with_prompt and not share.chain, "the first video has no chain"
    assert abs(share.expires_at - timezone.now() - timedelta(days=days)) < timedelta(minutes=1)
    event = generation.events.last()
    assert (event.kind, event.member) == ("shared", ben)
    assert share.key not in event.text and str(share.uuid) not in event.text
    before = generation.version
    generation.refresh_from_db()
    assert generation.version == before + 1
    page = signed_in(ben).get(path).content.decode()
    assert share.secret_path in page


def test_a_new_link_is_first_in_the_panel():
    videos = a_chain(2)
    ben = signed_in(a_member("ben"))
    path = reverse("shares-of", args=[videos[1].uuid])
    ben.post(path, {"days": 1})
    answer = ben.post(path, {"days": 7, "chain": "on"}, headers=PANEL)
    text = answer.content.decode()
    made = Share.objects.first()
    assert made.chain and answer.status_code == 200
    assert "<html" not in text and re.findall('id="link-([0-9a-f-]{36})"', text)[0] == str(made.uuid)
    assert "data-made" in text
    panel = ben.get(path, headers={"HX-Request": "true", "HX-Target": "share-body"}).content.decode()
    assert "<html" not in panel and "2 videos" in panel


@pytest.mark.parametrize("days", [None, "", "0", "8", "-1", "365", "x"])
def test_only_the_offered_durations_are_accepted(days):
    generation = a_saved_one()
    path = reverse("shares-of", args=[generation.uuid])
    for headers in ({}, PANEL):
        answer = signed_in(generation.member).post(path, {"days": days} if days is not None else {}, headers=headers)
        assert answer.status_code == 422
    assert not Share.objects.exists()


def test_an_unsaved_video_cannot_be_shared_and_the_page_says_why():
    generation = a_saved_one()
    ada = signed_in(generation.member)
    path = reverse("shares-of", args=[generation.uuid])
    for archive, words in (("remote", "still being saved"), ("lost", "is not saved,")):
        Generation.objects.filter(pk=generation.pk).update(archive=archive)
        page = ada.get(path).content.decode()
        assert words in page and 'name="days"' not in page
        answer = ada.post(path, {"days": 7})
        assert answer.status_code == 422 and words in answer.content.decode()
    waiting = a_generation(generation.member)
    assert b"still in progress" in ada.get(reverse("shares-of", args=[waiting.uuid])).content
    assert not Share.objects.exists()
    assert not generation.events.filter(kind="shared").exists()


def test_a_video_trashed_meanwhile_is_not_shared():
    generation = a_saved_one()
    stale = Generation.objects.get(pk=generation.pk)
    assert generation.trash(generation.member)
    assert a_share(stale) is None
    assert not Share.objects.exists()
    assert signed_in(generation.member).get(reverse("shares-of", args=[generation.uuid])).status_code == 404


def test_only_the_author_and_admins_can_revoke_a_share():
    generation = a_saved_one()
    ben, root = a_member("ben"), an_admin()
    for who, may in ((ben, False), (generation.member, True), (root, True)):
        share = a_share(generation)
        path = reverse("share-revocation", args=[share.uuid])
        assert signed_in(who).post(path).status_code == (302 if may else 403)
        share.refresh_from_db()
        assert bool(share.revoked_at) is may
        button = f'action="{path}"' in signed_in(who).get(reverse("shares-of", args=[generation.uuid])).content.decode()
        assert not button, "there is none for others' links, nor for those that are not good"
    assert generation.events.filter(kind="unshared", member=root).count() == 1


def test_a_link_is_revoked_once():
    share = a_share()
    assert share.revoke(share.shared_by)
    assert not share.revoke(share.shared_by)
    assert share.generation.events.filter(kind="unshared").count() == 1
    late = a_share()
    expire(late)
    assert not late.revoke(late.shared_by)


def test_an_admin_sees_all_links_paginated(django_assert_max_num_queries):
    root = signed_in(an_admin())
    generation = a_saved_one(prompt=PROMPT)
    made = [a_share(generation, chain=bool(number % 2)) for number in range(50)]
    made[3].revoke(generation.member)
    expire(made[4])
    good = [share for share in made if share not in (made[3], made[4])][::-1]
    a_share(generation, by=a_member("ben"))
    with django_assert_max_num_queries(8):
        first = root.get("/team/shares/").content.decode()
    found = re.findall('id="link-([0-9a-f-]{36})"', first)
    assert len(found) == 48 and "by ben" in first
    older = re.search(r'href="(/team/shares/\?before=[0-9a-f-]{36})"', first)[1]
    # What is at the edge is revoked meanwhile: the next page begins after it all the same.
    Share.objects.get(uuid=found[-1]).revoke(generation.member)
    rest = re.findall('id="link-([0-9a-f-]{36})"', root.get(older).content.decode())
    assert found[1:] + rest == [str(share.uuid) for share in good]
    assert root.get("/team/shares/?before=nonsense").status_code == 200


def test_an_admin_revokes_from_the_list_and_returns_to_it():
    share = a_share()
    root = signed_in(an_admin())
    answer = root.post(reverse("share-revocation", args=[share.uuid]), {"from": "team"})
    assert answer["Location"] == "/team/shares/"
    assert share.secret_path not in root.get("/team/shares/").content.decode()


def test_a_link_begins_with_the_address_others_know(settings):
    share = a_share()
    ada = signed_in(share.shared_by)
    path = reverse("shares-of", args=[share.generation.uuid])
    assert f"{settings.SITE_URL}{share.secret_path}" in ada.get(path).content.decode()
    settings.SITE_URL = "https://films.example.com"
    assert f"https://films.example.com{share.secret_path}" in ada.get(path).content.decode()

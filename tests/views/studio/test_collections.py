"""Videos that are requested into a collection, and the lists of collections on open pages."""

import json
import re
import uuid

import pytest
from django.core.cache import cache
from django.utils import timezone

from videos.models import Collection, Generation, Submission

from ...support.factories import a_generation, a_member
from ...support.form_requests import HTMX, asked, completed

pytestmark = pytest.mark.django_db
GONE = "This collection no longer exists. Choose another one."


def chosen(page: str) -> str:
    return re.search(r'<select id="collection".*?</select>', page, re.DOTALL)[0].partition("selected>")[2].split("<")[0]


def poll(client, known: str, **params) -> str:
    answer = client.get("/live/", {"since": timezone.now().timestamp(), "collections": known, **params})
    return answer.content.decode()


def test_new_videos_are_added_to_the_chosen_collection_of_any_member(client, ada):
    theirs, _ = Collection.objects.named("Theirs", a_member("ben"))
    wanted = asked(prompt="One\nTwo", several="1", count="2", collection=str(theirs.uuid))
    assert client.post("/generations/", wanted, headers=HTMX).status_code == 200
    assert theirs.generations.count() == Generation.objects.count() == 4
    page = client.get(f"/?collection={theirs.uuid}").content.decode()
    assert page.count("data-state=") == 4


def test_a_request_sent_again_with_another_collection_creates_no_second_video(client, ada):
    one, two = (Collection.objects.named(name, ada)[0] for name in ("One", "Two"))
    key = str(uuid.uuid4())
    for collection in (one, two, two):
        client.post("/generations/", asked(submission_key=key, collection=str(collection.uuid)), headers=HTMX)
    assert Submission.objects.count() == 1
    assert {row.name for row in Generation.objects.get().collections.all()} == {"One", "Two"}


@pytest.mark.parametrize("value", [str(uuid.UUID(int=1)), "nonsense", "\0"])
def test_nothing_is_requested_for_a_collection_that_does_not_exist(client, ada, value):
    for headers in (HTMX, {}):
        answer = client.post("/generations/", asked(collection=value), headers=headers)
        assert answer.status_code == 422
        page = answer.content.decode()
        assert GONE in page and 'aria-describedby="collection-error"' in page
        assert chosen(page) == ""
        assert asked()["prompt"] in page
    assert not Generation.objects.exists()


def test_a_collection_that_is_deleted_during_the_request_leaves_nothing_behind(client, ada, monkeypatch):
    collection, _ = Collection.objects.named("Short-lived", ada)
    add = Collection.add
    monkeypatch.setattr(Collection, "add", lambda self, *args: self.delete() and add(self, *args))
    answer = client.post("/generations/", asked(collection=str(collection.uuid)), headers=HTMX)
    assert (answer.status_code, GONE in answer.content.decode()) == (422, True)
    assert not Generation.objects.exists() and not Submission.objects.exists()


def test_the_form_has_the_collection_that_is_shown(client, ada):
    shown, _ = Collection.objects.named("Shown", ada)
    assert chosen(client.get("/").content.decode()) == ""
    assert chosen(client.get(f"/?collection={shown.uuid}&q=fox").content.decode()) == "Shown"
    assert chosen(client.get(f"/?collection={uuid.uuid4()}").content.decode()) == ""


def test_an_extension_goes_into_the_collection_of_its_source_if_there_is_only_one(client, ada, token):
    source = completed(token)
    one, two = (Collection.objects.named(name, ada)[0] for name in ("One", "Two"))
    for path in ("extend", "reuse"):
        url = f"/generations/{source.uuid}/{path}/"
        assert chosen(client.get(url).content.decode()) == ""
        one.add([source], ada)
        assert chosen(client.get(url).content.decode()) == "One"
        two.add([source], ada)
        assert chosen(client.get(url).content.decode()) == ""
        assert chosen(client.get(f"{url}?collection={two.uuid}").content.decode()) == "Two"
        one.remove([source])
        two.remove([source])


def test_an_open_page_learns_of_new_renamed_moved_and_deleted_collections(client, ada):
    def known(text: str) -> str:
        return re.search('data-collections="([^"]+)"', text)[1]

    version = known(client.get("/").content.decode())
    changes = (
        lambda: Collection.objects.named("A", ada),
        lambda: Collection.objects.named("B", ada),
        lambda: Collection.objects.step(Collection.objects.get(name="A"), -1),
        lambda: Collection.objects.get(name="A").rename("C"),
        lambda: Collection.objects.get(name="B").delete(),
    )
    names = [["A"], ["B", "A"], ["A", "B"], ["C", "B"], ["C"]]
    for change, expected in zip(changes, names, strict=True):
        change()
        # As the page does after its member's own change; it does not wait for the stored version to expire.
        fresh = poll(client, "none")
        tabs = re.search('<div id="collection-tabs" hx-swap-oob="innerHTML">.*?</div>', fresh, re.DOTALL)[0]
        assert re.findall(r">([^<]+)</a>", tabs) == ["All videos", *expected]
        assert all(fresh.count(f">{name}<") == 4 for name in expected), "tabs, menu, selection and form"
        assert known(fresh) != version
        version = known(fresh)
    assert client.get("/live/", {"since": timezone.now().timestamp(), "only": str(uuid.uuid4())}).status_code == 204


def test_an_idle_poll_reads_the_collections_once_in_a_while(client, ada, django_assert_max_num_queries):
    version = re.search('data-collections="([^"]+)"', client.get("/").content.decode())[1]
    cache.clear()
    poll(client, version)
    with django_assert_max_num_queries(3):  # session, member, videos
        assert poll(client, version) == ""


def test_a_new_collection_has_the_page_ask_for_its_lists_and_is_linked_in_the_toast(client, ada):
    video = a_generation(ada)
    new = {"v": [str(video.uuid)], "into": "", "name": "<Client> & sons"}
    answer = client.post("/selection/collections/", new, headers=HTMX)
    collection = Collection.objects.get()
    link = f'<a href="/?collection={collection.uuid}" dir="auto">&lt;Client&gt; &amp; sons</a>'
    assert f"Added 1 video to {link}." in answer.content.decode()
    assert "collections" in json.loads(answer["HX-Trigger"])
    known = client.post("/selection/collections/", new | {"name": collection.name}, headers=HTMX)
    assert "HX-Trigger" not in known and link in known.content.decode()
    menu = client.post(f"/generations/{video.uuid}/collections/", {"name": "Second"}, headers=HTMX)
    assert "collections" in json.loads(menu["HX-Trigger"])
    second = Collection.objects.get(name="Second")
    assert f'Created <a href="/?collection={second.uuid}" dir="auto">Second</a>.' in menu.content.decode()
    page = client.post("/collections/", {"name": "Third & last"}, follow=True).content.decode()
    assert re.search(r'Created <a href="/\?collection=[0-9a-f-]+" dir="auto">Third &amp; last</a>\.', page)


def test_collections_are_arranged_with_and_without_a_script(client, ada):
    a, b, c = reversed([Collection.objects.named(name, ada)[0] for name in "CBA"])

    def order() -> str:
        return "".join(Collection.objects.in_order().values_list("name", flat=True))

    assert client.post(f"/collections/{a.uuid}/place/", {"step": "1"}).status_code == 302
    assert order() == "BAC"
    answer = client.post(f"/collections/{c.uuid}/place/", {"before": str(b.uuid)}, headers=HTMX)
    assert re.findall(r"data-find>(\w)<", answer.content.decode()) == ["C", "B", "A"]
    client.post(f"/collections/{c.uuid}/place/", {"behind": str(b.uuid)}, headers=HTMX)
    assert order() == "BCA"
    for nowhere in ({}, {"step": "7"}, {"before": str(uuid.uuid4())}, {"before": "\0"}):
        answer = client.post(f"/collections/{c.uuid}/place/", nowhere, headers=HTMX)
        assert json.loads(answer["HX-Trigger"])["toast"]["text"] == "Not moved: a collection was deleted meanwhile."
        assert order() == "BCA"

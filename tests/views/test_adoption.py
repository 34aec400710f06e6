"""Tasks offered for unconfirmed videos, their adoption, and the page of missing videos."""

import threading

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from videos.jobs import missing_tasks, polling
from videos.jobs.adoption import NotAdopted, adopt_offered
from videos.models import ApiToken, Event, FoundTask, Generation

from ..support.factories import a_generation, a_member, a_result, a_token, an_admin, running
from ..support.provider_listing import Listing, a_video, callback, in_doubt, search

pytestmark = pytest.mark.django_db(transaction=True)

HTMX = {"HX-Request": "true"}


@pytest.fixture
def token(stub, settings):
    settings.PUBLIC_URL = ""
    return a_token(base_url=stub.url)


@pytest.fixture
def listing(stub, token) -> Listing:
    return Listing(stub)


@pytest.fixture
def ada():
    return a_member("ada")


def offered(listing: Listing, ada, count: int = 2) -> tuple[Generation, list[str]]:
    """Return an unconfirmed video of Ada's and the tasks offered for it."""
    generation = in_doubt(member=ada)
    tasks = [listing.add(generation, after=seconds + 1, response=a_video()) for seconds in range(count)]
    search(generation)
    assert len(generation.offers) == count
    return generation, tasks


# ── The offer ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/", "/generations/{}/"])
def test_tasks_are_offered_only_to_the_author_and_admins(client, listing, ada, path):
    generation, tasks = offered(listing, ada)
    path = path.format(generation.uuid)
    for member, words in ((ada, "may be your video"), (an_admin(), "may be this video"), (a_member("ben"), "")):
        client.force_login(member)
        page = client.get(path).content.decode()
        assert page.count(f'value="{tasks[0]}"') == (1 if words else 0)
        assert words in page
        assert "platform.cdn.acedata.cloud" not in page, "nothing of an unadopted task is fetched"


def test_a_page_of_cards_queries_offers_only_if_there_are_any(client, listing, ada, django_assert_max_num_queries):
    for number in range(20):
        in_doubt(member=ada, prompt=f"number {number}")
    client.force_login(ada)
    client.get("/")
    with django_assert_max_num_queries(13):
        client.get("/")


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_one_click_gives_the_video_its_task(client, listing, stub, ada, headers):
    generation, tasks = offered(listing, ada)
    client.force_login(ada)
    before = len(stub.posts)
    answer = client.post(f"/generations/{generation.uuid}/adoption/", {"task": tasks[1]}, headers=headers)
    generation.refresh_from_db()
    assert answer.status_code == (200 if headers else 302)
    assert (generation.state, generation.task_id) == ("processing", tasks[1])
    found = generation.events.get(kind="found")
    assert (found.member, found.text) == (ada, "Chosen from the provider's list.")
    assert len(stub.posts) == before, "nobody waits for the provider"
    assert "may be" not in client.get("/").content.decode()


def test_every_task_is_adopted_once(listing, ada):
    first, second = in_doubt(member=ada), in_doubt(member=ada)
    task_id = listing.add(first)
    search(first, second)
    adopt_offered(first, task_id, ada)
    with pytest.raises(NotAdopted):
        adopt_offered(second, task_id, ada)
    second.refresh_from_db()
    assert (second.state, second.task_id) == ("unconfirmed", "")


def test_two_concurrent_clicks_adopt_once(listing, ada):
    first, second = in_doubt(member=ada), in_doubt(member=ada)
    task_id = listing.add(first)
    search(first, second)
    barrier, refused = threading.Barrier(2), []

    def click(generation):
        try:
            barrier.wait()
            adopt_offered(generation, task_id, ada)
        except NotAdopted:
            refused.append(generation.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=click, args=[generation]) for generation in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert Generation.objects.filter(task_id=task_id).count() == 1


def test_a_task_that_is_not_offered_is_not_adopted(client, listing, ada):
    generation, _ = offered(listing, ada)
    other = listing.add()
    client.force_login(ada)
    for task in (other, "", "x" * 300):
        answer = client.post(f"/generations/{generation.uuid}/adoption/", {"task": task}, headers=HTMX)
        assert "no longer offered" in answer.headers["HX-Trigger"]
    generation.refresh_from_db()
    assert generation.task_id == ""


def test_a_video_with_a_newer_result_keeps_it(client, listing, ada):
    generation, tasks = offered(listing, ada)
    generation.record(a_result("by-callback"), "callback")
    client.force_login(ada)
    client.post(f"/generations/{generation.uuid}/adoption/", {"task": tasks[0]})
    generation.refresh_from_db()
    assert (generation.state, generation.task_id) == ("completed", "by-callback")


def test_an_adopted_task_is_looked_up(client, listing, ada):
    generation, tasks = offered(listing, ada)
    adopt_offered(generation, tasks[0], ada)
    Generation.objects.update(next_poll_at=timezone.now())
    polling.poll()
    generation.refresh_from_db()
    assert generation.state == "completed"


def test_an_open_page_shows_new_offers(client, listing, ada):
    generation = in_doubt(member=ada)
    client.force_login(ada)
    ask = {"since": timezone.now().timestamp(), "newest": generation.pk}
    ask["known"] = f"{generation.pk}:{generation.version}"
    assert client.get("/live/", ask).status_code == 204
    listing.add(generation, after=1)
    listing.add(generation, after=2)
    search(generation)
    assert "may be your video" in client.get("/live/", ask).content.decode()


def test_without_a_listing_members_are_referred_to_an_admin_and_admins_to_the_console(client, listing, ada):
    generation = in_doubt(member=ada)
    listing.failure = (404, {"error": {"code": "no_api", "message": "no such API"}})
    search(generation)
    for member, reads in ((ada, True), (an_admin(), False)):
        client.force_login(member)
        for path in ("/", f"/generations/{generation.uuid}/"):
            page = client.get(path).content.decode()
            assert "Lumaweb cannot look it up" in page
            assert "if a second charge is acceptable" in page
            assert ("Ask an admin to look for it" in page) == reads
            assert ("adopt it by its task ID" in page) != reads


# ── What is missing here ──────────────────────────────────────────────────────────────────────────────────────


def shown(client, **query) -> str:
    return client.get(reverse("missing"), query).content.decode()


def test_admins_see_tasks_that_no_video_has(client, listing, token):
    known = a_generation()
    known.claim()
    known.record(running("known"), "answer")
    known.refresh_from_db()
    listing.add(known, id="known")
    missing_here = listing.add(request={"prompt": "Made elsewhere"}, response=a_video())
    client.force_login(an_admin())
    page = shown(client)
    assert "Made elsewhere" in page
    assert missing_here in page
    assert 'value="1:known"' not in page
    assert reverse("missing") in client.get("/provider/").content.decode()
    assert reverse("missing") in client.get(reverse("admin:videos_generation_changelist")).content.decode()


def test_single_tasks_and_all_tasks_are_adopted_once(client, listing, stub, token):
    tasks = [listing.add(request={"prompt": f"number {number}"}, response=a_video()) for number in range(60)]
    admin = an_admin()
    client.force_login(admin)
    client.post(reverse("missing-adoptions"), {"task": f"{token.pk}:{tasks[0]}"})
    assert Generation.objects.get().prompt == "number 0"
    page = shown(client)
    assert "Adopt all 59 on this page" in page
    keys = [f"{token.pk}:{task}" for task in tasks]
    answer = client.post(reverse("missing-adoptions"), {"task": keys}, follow=True)
    assert "59 videos adopted." in answer.content.decode()
    assert "Nothing is missing" in answer.content.decode()
    assert set(Generation.objects.values_list("task_id", flat=True)) == set(tasks)
    assert set(Generation.objects.values_list("state", "member")) == {("completed", admin.pk)}
    assert not any("prompt" in post for post in stub.posts), "nothing is sent"


def test_older_tasks_are_on_the_next_page(client, listing, token, monkeypatch):
    monkeypatch.setattr(missing_tasks, "PAGE_SIZE", 3)
    tasks = [listing.add(after=-60 * number, request={"prompt": f"number {number}."}) for number in range(7)]
    client.force_login(an_admin())
    seen, query = [], {}
    for _ in range(3):
        response = client.get(reverse("missing"), query)
        seen += [task.result.task_id for task in response.context["missing"].tasks]
        query = {"before": response.context["older"]}
    assert seen == tasks
    assert response.context["older"] is None


def test_a_task_that_matches_an_unconfirmed_video_is_adopted_by_it(client, listing, token, ada):
    """No search would decide it; an admin's click does."""
    generation = in_doubt(member=ada, minutes=600)
    task_id = listing.add(generation, after=7200)
    client.force_login(an_admin())
    assert "the video of ada from" in shown(client)
    client.post(reverse("missing-adoptions"), {"task": f"{token.pk}:{task_id}"})
    generation.refresh_from_db()
    assert (generation.state, generation.task_id) == ("processing", task_id)
    assert Generation.objects.count() == 1


def test_the_second_of_two_matching_tasks_becomes_a_new_video(client, listing, token, ada):
    generation = in_doubt(member=ada)
    tasks = [listing.add(generation, after=seconds) for seconds in (1, 2)]
    client.force_login(an_admin())
    client.post(reverse("missing-adoptions"), {"task": [f"{token.pk}:{task}" for task in tasks]})
    assert set(Generation.objects.values_list("task_id", flat=True)) == set(tasks)
    assert Generation.objects.count() == 2


def test_unconfirmed_takes_get_matching_tasks_and_two_members_get_none(client, listing, token, ada):
    first, second = in_doubt(member=ada), in_doubt(member=ada)
    tasks = [listing.add(first, after=seconds) for seconds in (1, 2)]
    client.force_login(an_admin())
    keys = [f"{token.pk}:{task}" for task in tasks]
    client.post(reverse("missing-adoptions"), {"task": keys})
    assert list(Generation.objects.order_by("pk").values_list("task_id", flat=True)) == tasks
    mine, theirs = in_doubt(member=ada, prompt="both"), in_doubt(member=a_member("ben"), prompt="both")
    task = listing.add(mine)
    client.post(reverse("missing-adoptions"), {"task": f"{token.pk}:{task}"})
    assert Generation.objects.get(task_id=task) not in (first, second, mine, theirs)


def test_no_secret_of_a_task_is_shown_or_stored(client, listing, token, ada):
    generation = in_doubt(member=ada)
    address = callback(generation, "a-secret-key")
    task_id = listing.add(generation, request={"callback_url": address}, response=a_video())
    client.force_login(an_admin())
    page = shown(client)
    client.post(reverse("missing-adoptions"), {"task": f"{token.pk}:{task_id}"})
    rows = [*Generation.objects.values(), *Event.objects.values(), *FoundTask.objects.values()]
    assert "a-secret-key" not in page + str(rows)
    assert "platform.cdn.acedata.cloud" not in page


def test_tokens_of_one_account_show_a_task_once(client, listing, stub, token):
    a_token("sandbox-second", base_url=stub.url)
    task_id = listing.add()
    client.force_login(an_admin())
    assert [task.result.task_id for task in client.get(reverse("missing")).context["missing"].tasks] == [task_id]


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ((404, {"error": {"code": "no_api", "message": "no such API"}}), "does not list its tasks (no such API)"),
        ((500, {"error": {"code": "api_error", "message": "oh"}}), "cannot be listed at the moment (oh)"),
    ],
)
def test_a_provider_without_a_listing_is_explained(client, listing, failure, words):
    listing.failure = failure
    client.force_login(an_admin())
    page = shown(client)
    assert words in page
    assert reverse("admin:videos_generation_adopt") in page
    assert "Nothing is missing" not in page


@pytest.mark.parametrize("keys", [[], [""], ["x"], ["1:"], [":a"], ["99999:a"], ["9" * 30 + ":a"], ["1:unknown"]])
def test_an_invalid_task_adopts_nothing(client, listing, token, keys):
    client.force_login(an_admin())
    assert client.post(reverse("missing-adoptions"), {"task": keys}).status_code == 302
    assert not Generation.objects.exists()


@pytest.mark.parametrize("before", ["", "x", "-1", "0", "9" * 18, "1"])
def test_any_page_number_is_accepted(client, listing, before):
    client.force_login(an_admin())
    assert client.get(reverse("missing"), {"before": before}).status_code == 200


def test_a_paused_token_is_not_asked(client, listing, stub, token):
    ApiToken.objects.update(enabled=False)
    client.force_login(an_admin())
    shown(client)
    assert not stub.posts


def test_the_page_waits_only_briefly_for_the_listing(client, listing, stub, token, monkeypatch):
    monkeypatch.setattr(missing_tasks, "LISTING_SECONDS", 0.2)
    stub.seconds = 3
    client.force_login(an_admin())
    page = shown(client)
    assert "No answer from the provider within 1 s" in page

"""Compare videos, pick and reject; polls of hidden tabs."""

import time
import uuid

import pytest
from django.utils import timezone

from videos.models import Generation

from ..support.factories import a_generation, a_member
from ..support.saved_videos import a_stored_video

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/compare/"}


@pytest.fixture
def three(ada) -> list[Generation]:
    return [a_stored_video(ada, f"a lighthouse, wave {number}") for number in (1, 2, 3)]


def choices(*videos) -> list[str]:
    return [Generation.objects.get(pk=video.pk).choice for video in videos]


def page(client, *videos, **query) -> str:
    return client.get(
        "/compare/", {"v": [str(getattr(video, "uuid", video)) for video in videos]} | query
    ).content.decode()


def test_videos_are_compared_in_the_requested_order(client, three):
    html = page(client, three[2], three[0])
    assert html.count("<video ") == 2
    assert html.index("wave 3") < html.index("wave 1")


def test_takes_of_a_request_are_compared(client, ada):
    first = a_generation(ada, takes=3, prompt="three takes")
    rows = list(first.submission.generations.order_by("take"))
    for row in rows[:2]:
        saved = a_stored_video(ada, "source")
        Generation.objects.filter(pk=row.pk).update(
            state="completed", archive="saved", video_file=saved.video_file.name
        )
    html = client.get(f"/compare/?takes_of={rows[2].uuid}").content.decode()
    assert html.count("<video ") == 2
    assert "Compare the takes" in html
    assert "One of the videos is not saved yet" in html
    assert "Nothing to compare" in client.get(f"/compare/?takes_of={uuid.uuid4()}").content.decode()
    assert "Nothing to compare" in client.get("/compare/?takes_of=x").content.decode()


def test_too_few_too_many_or_missing_videos_are_explained(client, ada, three):
    assert "Select two to four finished videos" in page(client)
    assert "Only one video is left" in page(client, three[0])
    assert "Only one video is left" in page(client, three[0], three[0])
    html = page(client, three[0], three[1], uuid.uuid4(), "nonsense")
    assert "2 of the videos are not available" in html
    assert html.count("<video ") == 2
    three[1].trash(ada)
    assert "One of the videos is not available" in page(client, *three)
    more = [a_stored_video(ada, "one more") for _ in range(4)]
    html = page(client, *more, three[0])
    assert html.count("<video ") == 4
    assert "the first 4 of 5" in html
    waiting = a_generation(ada, prompt="still waiting")
    assert "not saved yet" in page(client, three[0], three[2], waiting)


def test_pick_this_reject_the_others_and_undo(client, ada, three):
    one, two, other = three
    two.choose("picked", ada)
    versions = [Generation.objects.get(pk=video.pk).version for video in three]
    ask = {"choice": "picked", "others": [str(two.uuid), str(other.uuid)]}
    answer = client.post(f"/generations/{one.uuid}/choice/", ask, headers=HTMX).content.decode()
    assert choices(*three) == ["picked", "rejected", "rejected"]
    assert "Picked. Rejected the other 2." in answer
    assert all(f'id="verdict-{video.uuid}"' in answer for video in three)
    for video, version in zip(three, versions, strict=True):
        now = Generation.objects.get(pk=video.pk)
        assert now.version == version + 1, "others learn of it"
        assert now.events.last().kind == now.choice
    was = [f"{one.uuid}:", f"{two.uuid}:picked", f"{other.uuid}:"]
    assert all(f'name="was" value="{text}"' in answer for text in was)
    assert "Undone" in client.post(f"/generations/{one.uuid}/choice/", {"was": was}, headers=HTMX).content.decode()
    assert choices(*three) == ["", "picked", ""]


def test_without_javascript_a_choice_redirects_to_the_page(client, three):
    back = f"http://testserver/compare/?v={three[0].uuid}&v={three[1].uuid}"
    answer = client.post(f"/generations/{three[0].uuid}/choice/", {"choice": "rejected"}, headers={"referer": back})
    assert answer.status_code == 302
    assert answer.url == back.removeprefix("http://testserver")
    elsewhere = {"referer": "https://evil.example/"}
    answer = client.post(f"/generations/{three[0].uuid}/choice/", {"choice": ""}, headers=elsewhere)
    assert answer.url == three[0].get_absolute_url()


def test_invalid_choices_are_refused(client, ada, three):
    address = f"/generations/{three[0].uuid}/choice/"
    assert client.post(address, {"choice": "adored"}).status_code == 400
    assert client.get(address).status_code == 405
    client.post(address, {"was": [f"{three[0].uuid}:adored", "nonsense", f"{uuid.uuid4()}:picked"]})
    client.post(address, {"choice": "rejected", "others": [str(three[1].uuid)]})
    assert choices(*three) == ["rejected", "", ""], "only a pick speaks for the others"
    three[0].trash(ada)
    assert client.post(address, {"choice": "picked"}).status_code == 404


def test_other_open_pages_receive_a_choice(client, ada, three):
    html = page(client, *three[:2])
    since = {name: html.split(f'data-{name}="')[1].split('"')[0] for name in ("since", "known", "newest")}
    ask = {"v": [str(video.uuid) for video in three[:2]]} | since
    assert client.get("/compare/news/", ask).status_code == 204
    three[2].choose("picked", ada)
    assert client.get("/compare/news/", ask).status_code == 204, "that one is not compared here"
    three[1].choose("picked", ada)
    answer = client.get("/compare/news/", ask).content.decode()
    assert f'id="verdict-{three[1].uuid}"' in answer
    assert str(three[0].uuid) not in answer
    three[1].trash(ada)
    assert "moved to the trash meanwhile" in client.get("/compare/news/", ask).content.decode()


def test_a_hidden_tab_receives_only_counts(client, ada, django_assert_max_num_queries):
    video = a_generation(ada)
    seen = int(time.time()) - 60
    with django_assert_max_num_queries(6):
        answer = client.get("/live/", {"hidden": "1", "seen": seen}).content.decode()
    assert 'data-mine="1"' in answer
    assert "data-ready" not in answer
    assert "live-state" not in answer and "card" not in answer
    Generation.objects.filter(pk=video.pk).update(state="completed", finished_at=timezone.now())
    answer = client.get("/live/", {"hidden": "1", "seen": seen}).content.decode()
    assert 'data-mine="0"' in answer and 'data-ready="1"' in answer
    for odd in ("", "x", "-1", "9" * 40, str(int(time.time()) + 60)):
        assert "data-ready" not in client.get("/live/", {"hidden": "1", "seen": odd}).content.decode()
    client.force_login(a_member("ben"))
    assert "data-ready" not in client.get("/live/", {"hidden": "1", "seen": seen}).content.decode()

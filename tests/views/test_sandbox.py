"""Pages say while new videos are simulated, and which videos were."""

import html
import re

import pytest

from videos.models import ApiToken, Generation, Share
from videos.models.state import Archive

from ..support.factories import a_generation, a_member, a_result, a_token, an_admin

pytestmark = pytest.mark.django_db(transaction=True)

ALIVE = {"since": "99999999999"}


@pytest.fixture
def sandbox() -> ApiToken:
    return a_token("sandbox", "http://127.0.0.1:8", simulated=True)


@pytest.fixture
def member(client):
    member = a_member()
    client.force_login(member)
    return member


def connect() -> None:
    """Connect a real provider, as the admin's pages do."""
    token = a_token("a-real-one", "http://127.0.0.1:9")
    ApiToken.objects.pause_other_providers(token.base_url)


def finished(owner) -> Generation:
    row = a_generation(owner)
    assert row.claim()
    row.record(a_result(f"task-{row.pk}"), "answer")
    return row


def words(answer) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def has_pill(answer) -> bool:
    return 'popovertarget="sandbox-note"' in answer.content.decode()


@pytest.mark.parametrize("path", ["/", "/usage/", "/trash/", "/team/", "/collections/", "/profile/"])
def test_every_page_says_that_new_videos_are_simulated(client, member, sandbox, path):
    assert has_pill(client.get(path))
    connect()
    assert not has_pill(client.get(path))


def test_a_visitor_who_has_not_signed_in_learns_nothing(client, sandbox):
    a_member()
    assert "sandbox" not in client.get("/login/").content.decode()


def test_an_admin_is_led_to_connect_luma_and_a_member_to_an_admin(client, member, sandbox):
    assert "videos are simulated and free. Ask an admin to connect Luma" in words(client.get("/"))
    assert "Connect Luma<" not in client.get("/").content.decode()
    client.force_login(an_admin())
    text = client.get("/").content.decode()
    assert "videos are simulated and free." in text
    link = re.search(r'<a class="button primary" href="([^"]+)">Connect Luma</a>', text)
    assert link and client.get(link[1]).status_code == 200


def test_with_a_real_provider_the_empty_gallery_says_nothing_of_a_sandbox(client, member):
    connect()
    assert "simulated" not in words(client.get("/"))


def test_an_open_page_learns_that_luma_was_connected(client, member, sandbox, django_assert_max_num_queries):
    page = client.get("/").content.decode()
    assert 'data-simulated="1"' in page
    with django_assert_max_num_queries(4):
        assert client.get("/live/", ALIVE | {"simulated": "1"}).status_code == 204
    connect()
    answer = client.get("/live/", ALIVE | {"simulated": "1"})
    text = answer.content.decode()
    assert 'id="sandbox"' in text and 'id="sandbox-line"' in text and 'hx-swap-oob="true"' in text
    assert not has_pill(answer) and "data-simulated" not in text
    assert client.get("/live/", ALIVE).status_code == 204


def test_an_open_page_learns_of_the_sandbox_with_the_next_change(client, member, sandbox):
    row = a_generation(member)
    changed = {"since": str(row.changed_at.timestamp()), "newest": "0"}
    assert has_pill(client.get("/live/", changed))
    # What it shows is not replaced: its popover may be open.
    assert not has_pill(client.get("/live/", changed | {"simulated": "1"}))


def test_simulated_videos_stay_recognizable_after_the_switch(client, member, sandbox):
    simulated = finished(member)
    connect()
    real = finished(member)
    for path in ("/", "/live/?since=0&newest=999999"):
        text = client.get(path).content.decode()
        cards = dict(re.findall(r'<li id="generation-([^"]+)"(.*?)</li>', text, re.DOTALL))
        assert "Simulated" in cards[str(simulated.uuid)] and "Simulated" not in cards[str(real.uuid)]
    page = words(client.get(simulated.get_absolute_url()))
    assert "the sandbox (simulated)" in page and "1 credit, simulated: not charged" in page
    page = words(client.get(real.get_absolute_url()))
    assert "imulated" not in page and "1 credit, spent" in page


def test_a_guest_sees_which_videos_are_simulated(client, member, sandbox):
    simulated = finished(member)
    connect()
    real = finished(member)
    Generation.objects.update(archive=Archive.SAVED, video_file="videos/a.mp4", poster_file="videos/a.webp")
    client.logout()
    for row, expected in ((simulated, True), (real, False)):
        row = Generation.objects.get(pk=row.pk)
        share = Share.objects.create_for(row, member, days=1, chain=False, with_prompt=False)
        assert share
        assert ("Simulated" in words(client.get(share.secret_path))) == expected


def test_badges_cost_no_query_for_each_card(client, member, sandbox, django_assert_max_num_queries):
    for _ in range(12):
        finished(member)
    with django_assert_max_num_queries(11):
        assert client.get("/").content.decode().count(">Simulated</span>") == 12


def test_the_budget_page_separates_what_was_simulated(client, member, sandbox):
    finished(member)
    connect()
    finished(member)
    client.force_login(an_admin())
    text = words(client.get("/team/budget/"))
    assert "1 credit spent" in text and "Another 1 credit for simulated videos: not charged" in text

"""The gallery: search, filters and pages."""

import re
import unicodedata
from datetime import timedelta
from importlib import import_module
from itertools import product

import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from videos.models import Collection, Filters, Generation, Star, search
from videos.models.search import create_search_triggers

from ..support.factories import a_generation, a_member

pytestmark = pytest.mark.django_db

FOX, STORK, SNOW, BOAT = "A Fox über die Straße", "АИСТ над водой", "狐狸在雪地里", "مركب شراعي يعبر البحر"
ODD = r"""say "hello" OR NOT -x* NEAR(a b) 100% under_score back\slash col:on ^caret {brace}"""


@pytest.fixture
def wall():
    for prompt in (FOX, STORK, SNOW, BOAT, ODD, "Ω ab"):
        a_generation(prompt=prompt)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("fox", [FOX]),
        ("FOX über", [FOX]),
        ("strasse", [FOX]),
        ("STRASSE fox", [FOX]),
        ("fox stork", []),
        ("аист", [STORK]),
        ("狐狸在", [SNOW]),
        ("狐狸", [SNOW]),
        ("البحر", [BOAT]),
        ("ab", ["Ω ab"]),
        ("ω", ["Ω ab"]),
        ('"hello"', [ODD]),
        ('"', [ODD]),
        ("hello OR fox", []),
        ("-x*", [ODD]),
        ("near(a", [ODD]),
        ("100%", [ODD]),
        ("%%%", []),
        ("___", []),
        ("under_score", [ODD]),
        ("back\\slash", [ODD]),
        ("col:on", [ODD]),
        ("search_text:fox", []),
        ("fox\0", [FOX]),
        ("fo fox", [FOX]),
        ("zzz", []),
        ("x" * 5000, []),
        (" ".join(f"word{n}" for n in range(300)), []),
    ],
)
def test_a_search_finds_every_word_in_any_script_and_knows_no_operators(wall, query, found):
    assert [row.prompt for row in Generation.objects.for_gallery().search(query)] == found


CAFE, HANOI, DELHI, SEOUL = "Café in São Paulo", "Phố cổ Hà Nội", "हिन्दी में लोमड़ी", "서울의 밤"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("cafe sao", CAFE),
        ("CAFÉ SÃO", CAFE),
        ("cafe\u0301", CAFE),
        ("caf\u00e9", CAFE),
        ("ｃａｆｅ", CAFE),
        ("pho co ha noi", HANOI),
        ("phố", HANOI),
        ("लोमड़ी", DELHI),
        ("लमड", DELHI),
        ("서울", SEOUL),
        ("sä", CAFE),
        ("\u0301 cafe", CAFE),
    ],
)
def test_a_search_ignores_accents_in_the_query_and_in_the_prompt(query, found):
    for prompt in (CAFE, HANOI, DELHI, SEOUL):
        a_generation(prompt=unicodedata.normalize("NFD", prompt) if prompt == HANOI else prompt)
    rows = Generation.objects.for_gallery().search(query)
    assert [unicodedata.normalize("NFC", row.prompt) for row in rows] == [unicodedata.normalize("NFC", found)]


def test_an_empty_search_does_not_filter(wall):
    assert Generation.objects.for_gallery().search("  ").count() == 6


@pytest.mark.parametrize(
    ("query", "partial"), [("fox", False), ("狐狸", True), ("ab fox", False), ("a b", True), ("", False)]
)
def test_a_search_of_short_words_alone_scans_the_newest_videos(query, partial):
    assert search.is_partial(query) is partial


def test_short_words_match_only_the_newest_videos(wall, monkeypatch):
    monkeypatch.setattr(search, "NEWEST", 2)
    assert [row.prompt for row in Generation.objects.for_gallery().search("a")] == ["Ω ab", ODD]


def test_a_changed_and_a_purged_prompt_leave_the_index(wall):
    fox = Generation.objects.get(prompt=FOX)
    fox.state = "failed"
    fox.save()
    fox.trash(fox.member)
    assert fox.purge(fox.member)
    assert not Generation.objects.search("fox").exists()
    assert not Generation.objects.search("fo").exists()


# PostgreSQL updates its index.
@pytest.mark.embedded
def test_the_triggers_are_restored_after_a_migration_recreates_the_table():
    with connection.cursor() as cursor:
        for name in search.TRIGGERS:
            cursor.execute(f"DROP TRIGGER {name}")
    create_search_triggers()
    a_generation(prompt="found again")
    assert Generation.objects.search("again").count() == 1


def test_pages_of_a_search_follow_their_cursor(wall):
    rows = [a_generation(prompt=f"heron {n}") for n in range(5)]
    found = Generation.objects.for_gallery().search("heron")
    assert list(found.before(rows[3].pk)[:2]) == [rows[2], rows[1]]
    assert list(found.after(rows[1].pk)[:2]) == [rows[2], rows[3]]


def test_each_filter_narrows_the_gallery():
    ada, ben = a_member("ada"), a_member("ben")
    plain = a_generation(ada, prompt="plain")
    framed = a_generation(ben, prompt="framed", start_image_url="https://example.com/a.jpg", aspect_ratio="1:1")
    onward = a_generation(ben, prompt="onward", action="extend", parent=framed)
    old = a_generation(ada, prompt="old")
    Generation.objects.filter(pk=old.pk).update(state="failed", created_at=timezone.now() - timedelta(days=40))
    Star.add(ben, [plain])
    shelf, _ = Collection.objects.named("Client A", ada)
    shelf.add([onward], ada)
    plain.choose("picked", ben)
    today = timezone.localdate()
    for filters, expected in (
        (Filters(member=ben.pk), {onward, framed}),
        (Filters(mode="text"), {plain, old}),
        (Filters(mode="frames"), {framed}),
        (Filters(mode="extend"), {onward}),
        (Filters(ratio="1:1"), {framed, onward}),
        (Filters(state="failed"), {old}),
        (Filters(state="making"), {plain, framed, onward}),
        (Filters(since=today), {plain, framed, onward}),
        (Filters(until=today - timedelta(days=1)), {old}),
        (Filters(starred_by=ben.pk), {plain}),
        (Filters(starred_by=ada.pk), set()),
        (Filters(collection=shelf.pk), {onward}),
        (Filters(choice="picked"), {plain}),
        (Filters(member=ben.pk, words="fram", ratio="1:1"), {framed}),
    ):
        assert set(Generation.objects.for_gallery(ada, filters)) == expected, filters


def test_filters_are_in_the_query_string_and_invalid_ones_are_ignored(client):
    ada = a_member("ada")
    client.force_login(ada)
    a_generation(ada, prompt="A heron")
    page = client.get(
        "/", {"q": "heron", "state": "making", "member": "stranger-9", "since": "yesterday", "ratio": "7:7"}
    )
    body = page.content.decode()
    assert page.status_code == 200
    assert "A heron" in body
    assert '?q=heron&amp;mode=text&amp;state=making"' in body
    assert "stranger-9" not in body
    assert "No videos match" in client.get("/", {"q": "heron", "state": "failed"}).content.decode()


@pytest.mark.parametrize("day", ["0001-01-01", "1999-12-31", "9999-12-31"])
def test_invalid_years_are_ignored_everywhere(client, day, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    ada = a_member("ada")
    client.force_login(ada)
    video = a_generation(ada, state="completed")
    for path in ("/", "/live/", f"/generations/{video.uuid}/"):
        for name in ("since", "until"):
            assert client.get(path, {name: day}).status_code in (200, 204), f"{path} {name}"


@pytest.mark.parametrize(
    "name", ["q", "member", "collection", "mode", "ratio", "state", "since", "until", "starred", "choice"]
)
@pytest.mark.parametrize("value", ["\0", "\ud800", "💣" * 500, "9" * 400, "-1", "../..", "<b>", "'; DROP TABLE"])
def test_no_filter_breaks_the_page(client, name, value):
    client.force_login(a_member("ada"))
    assert client.get("/", {name: value.encode("utf-8", "surrogatepass").decode("latin-1")}).status_code == 200


def test_pages_link_to_older_and_newer_ones(client):
    ada = a_member("ada")
    client.force_login(ada)
    rows = [a_generation(ada, prompt=f"video {n}") for n in range(100)]
    deep = client.get("/", {"before": rows[50].pk}).content.decode()
    assert f"?after={rows[49].pk}" in deep
    assert f"?before={rows[2].pk}" in deep
    newer = client.get("/", {"after": rows[49].pk}).content.decode()
    assert newer.count('class="card"') == 48
    assert f"generation-{rows[50].uuid}" in newer
    assert f"generation-{rows[97].uuid}" in newer
    assert f"?after={rows[97].pk}" in newer
    top = client.get("/", {"after": rows[97].pk}).content.decode()
    assert "data-first-page" in top


@pytest.mark.parametrize("path", ["/", "/?before=100000", "/?after=0", "/?q=astronauts"])
def test_the_number_of_queries_does_not_grow_with_the_videos(client, path):
    ada, ben = a_member(), a_member("ben")
    client.force_login(ada)
    parent = a_generation(ada, state="completed", archive="saved")
    client.get(path)  # what each process queries once

    def queries_once() -> int:
        caches["cards"].clear()
        with CaptureQueriesContext(connection) as seen:
            assert client.get(path).status_code == 200
        return len(seen)

    def queries() -> int:
        return min(queries_once() for _ in range(3))  # without the queries that a request makes every few seconds

    def one_of_each() -> None:
        for member, state in product((ada, ben), ("queued", "processing", "completed", "failed", "unconfirmed")):
            archive = "saved" if state == "completed" else ""
            a_generation(member, state=state, archive=archive, parent=parent, takes=2)

    one_of_each()
    with_few = queries()
    for _ in range(6):
        one_of_each()
    assert queries() == with_few <= 12


def test_new_videos_obey_the_filters_of_the_page(client):
    ada = a_member("ada")
    client.force_login(ada)
    a_generation(ada, prompt="the first")
    before = Generation.objects.latest("pk").pk
    heron, fox = a_generation(ada, prompt="a heron"), a_generation(ada, prompt="a fox")
    since = (timezone.now() - timedelta(seconds=30)).timestamp()
    asked = {"since": since, "newest": before, "top": 1, "q": "heron"}
    body = client.get("/live/", asked, headers={"HX-Request": "true"}).content.decode()
    assert f"generation-{heron.uuid}" in body
    assert f"generation-{fox.uuid}" not in body


def test_a_poll_returns_only_cards_that_the_page_may_show(client):
    ada, ben = a_member("ada"), a_member("ben")
    client.force_login(ada)
    heron, fox, boat = (a_generation(ben, prompt=f"a {words}") for words in ("heron", "fox", "boat"))
    query = {"since": 0, "newest": boat.pk, "top": 1, "q": "heron", "member": "ben"}
    body = client.get("/live/", query, headers={"HX-Request": "true"}).content.decode()
    assert f"generation-{heron.uuid}" in body
    assert f"generation-{fox.uuid}" not in body
    # The state of a video may change to one that the filter excludes: the page still shows its card.
    query |= {"state": "failed"}
    assert f"generation-{heron.uuid}" in client.get("/live/", query).content.decode()
    # A page shows what was submitted on it, whatever its filters.
    query |= {"unfinished": f"{fox.pk} x", "newest": heron.pk}
    body = client.get("/live/", query).content.decode()
    assert f"generation-{fox.uuid}" in body
    assert f"generation-{boat.uuid}" not in body


def chips_on(html: str) -> list[str]:
    """Return the text of the chips that are marked as active, without the first, Everyone."""
    chips = re.findall(r'<(?:a|button) class="chip"[^>]*?(?:aria-current="true"|data-on)>(.*?)<(?:/a|svg)', html)
    return [strip_tags(chip) for chip in chips if chip != "Everyone"]


@pytest.mark.parametrize(
    ("query", "active"),
    [
        ({"member": "ada"}, ["Mine"]),
        ({"member": "ben"}, ["Member: ben"]),
        ({"state": "ready"}, ["Ready"]),
        ({"state": "making", "mode": "frames", "ratio": "9:16"}, ["State: in progress", "Mode: frames", "Ratio: 9:16"]),
        ({"since": str(timezone.localdate() - timedelta(days=6))}, ["Date: last 7 days"]),
        ({"since": "2020-02-03", "until": "2020-02-04"}, ["Date: 3 Feb 2020 to 4 Feb 2020"]),
        ({"since": "soon"}, []),
    ],
)
def test_one_control_shows_each_filter(client, query, active):
    ada = a_member("ada")
    a_member("ben")
    client.force_login(ada)
    a_generation(ada)
    html = client.get("/", query).content.decode()
    assert chips_on(html) == active
    assert ('class="chip plain clear" href="/" inert' in html) is (not active)


@pytest.fixture
def earlier_schema(transactional_db):
    """Let the test migrate back, then restore today's schema and only today's content types."""
    yield
    call_command("migrate", "videos", verbosity=0)
    # Each migration back and forth made content types of models that have other names today.
    call_command("flush", interactive=False, verbosity=0)


# PostgreSQL runs the same statements, and the suite's own migration tries them.
@pytest.mark.embedded
def test_the_search_migration_indexes_existing_videos(earlier_schema, monkeypatch):
    row, gone = a_generation(prompt="Ein Reiher"), a_generation(prompt="Ein Star")
    call_command("migrate", "videos", "0005", verbosity=0)
    Generation.objects.filter(pk=row.pk).update(search_text="", shape="16:9", video_width=752, video_height=1360)
    call_command("migrate", "videos", verbosity=0)
    found = Generation.objects.search("reiher").get()
    assert (found.pk, found.shape) == (row.pk, "9:16")
    call_command("migrate", "videos", "0033", verbosity=0)
    Generation.objects.update(prompt="Ein Häher", search_text="ein häher")
    migration = import_module("videos.migrations.0034_search_without_accents")
    fold = migration.fold

    def delete_one_first(text):
        Generation.objects.filter(pk=gone.pk).update(search_text="", purged_at=timezone.now())
        return fold(text)

    monkeypatch.setattr(migration, "fold", delete_one_first)
    call_command("migrate", "videos", verbosity=0)
    gone.refresh_from_db()
    assert gone.search_text == "", "the text of a video that is deleted meanwhile does not come back"
    for query in ("haher", "HÄHER"):
        assert Generation.objects.search(query).get().pk == row.pk


def test_the_first_row_s_posters_load_at_once_and_the_others_when_near(client):
    ada = a_member("ada")
    client.force_login(ada)
    for _ in range(6):
        row = a_generation(ada, state="completed", archive="saved")
        Generation.objects.filter(pk=row.pk).update(poster_color="#204080")
    # A row of a window 2560 px wide has four of these; a phone shows one in a row, and two before it scrolls.
    for device, count in {"X11; Linux x86_64": 4, "Linux; Android 16; Mobile": 2}.items():
        page = client.get("/", headers={"User-Agent": f"Mozilla/5.0 ({device})"}).content.decode()
        images = re.findall(r'<svg color="#204080"[^>]*></svg><img [^>]*>', page)
        assert ["fetchpriority" in image for image in images] == [True] * count + [False] * (6 - count)
        assert all(("loading" in image) is not ("fetchpriority" in image) for image in images)
    older = client.get("/", headers={"HX-Request": "true", "HX-Target": "older"}).content.decode()
    assert "fetchpriority" not in older


def test_the_size_of_the_cards_is_kept_for_the_member(client):
    ada = a_member("ada")
    client.force_login(ada)
    a_generation(ada)

    def pressed() -> list[str]:
        return re.findall(r'value="(\w+)" aria-pressed="true"', client.get("/").content.decode())

    assert pressed() == ["medium"]
    answer = client.post("/profile/choices/", {"card_size": "small"}, headers={"Referer": "http://testserver/?q=fox"})
    assert (answer.status_code, answer["Location"]) == (302, "/?q=fox")
    assert pressed() == ["small"]
    answer = client.post("/profile/choices/", {"card_size": "large"}, headers={"HX-Request": "true"})
    assert 'value="large" aria-pressed="true"' in answer.content.decode()
    assert client.post("/profile/choices/", {"card_size": "huge"}).status_code == 422
    assert client.post("/profile/choices/", {"theme": "dark"}).status_code == 204
    assert pressed() == ["large"]

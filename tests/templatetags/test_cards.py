"""Cards are cached for all viewers who see the same, and equal a fresh rendering."""

import re

import pytest
from django.core.cache import caches
from django.template import engines
from django.test import RequestFactory

from videos.models import ApiToken, Collection, Generation, Member, Pool, Pricing, Star, State
from videos.models.state import Archive

from ..support.factories import a_generation, a_member, a_token, an_admin

pytestmark = pytest.mark.django_db


ANEW = engines["django"].from_string('{% include "gallery/_card.html" %}')
KEPT = engines["django"].from_string("{% load cards %}{% card oob=oob %}")


@pytest.fixture
def ada(db) -> Member:
    return a_member()


@pytest.fixture(autouse=True)
def no_cards():
    caches["cards"].clear()


def both(generation: Generation, viewer: Member, **context) -> tuple[str, str]:
    """Return the rendered and the cached card, without the masks of the CSRF tokens."""
    request = RequestFactory().get("/")
    request.user = viewer
    row = Generation.objects.for_gallery(viewer).get(pk=generation.pk)
    context = {"generation": row, "usual": {"generate": 90, "extend": None}, "oob": False} | context
    context["pool"] = Pool.current()
    pages = [template.render(context, request) for template in (ANEW, KEPT)]
    # A mask is new for each page.
    return tuple(re.sub(r'(csrfmiddlewaretoken" value=")[^"]+', r"\1", page).strip() for page in pages)


@pytest.mark.parametrize("archive", Archive.values)
@pytest.mark.parametrize("state", State.values)
def test_the_cached_card_equals_the_rendered_card(ada, state, archive):
    generation = a_generation(
        ada, state=state, archive=archive, prompt="<b>&amp; {{ x }} cached", video_url="https://x/y"
    )
    ben = a_member("ben")
    for viewer in (ada, ben):
        for context in ({}, {"oob": True}, {"filter_query": "q=a&b"}):
            for _ in ("cold", "warm"):
                fresh, cached = both(generation, viewer, **context)
                assert cached == fresh


@pytest.mark.parametrize(
    ("state", "label"),
    [("failed", "Retry · {}"), ("canceled", "Retry · {}"), ("unconfirmed", "Retry · {} (may be charged twice)")],
)
def test_a_retry_says_what_it_costs_now(ada, state, label):
    new, extension = (a_generation(ada, state=state, action=action) for action in ("generate", "extend"))
    for row in (new, extension):
        assert f">{label.format('1 credit')}</button>" in both(row, ada)[1]
    Pricing.objects.update_or_create(pk=1, defaults={"per_generate": 2500, "per_extend": 4000})
    for row, cost in ((new, "2.5 credits"), (extension, "4 credits")):
        assert f">{label.format(cost)}</button>" in both(row, ada)[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda row, ada: Star.objects.create(generation=row, member=ada),
        lambda row, ada: Member.objects.filter(pk=row.member_id).update(username="benno"),
        lambda row, ada: Member.objects.filter(pk=row.member_id).update(avatar_hue=3),
        lambda row, ada: row.choose("picked", ada),
        lambda row, ada: row.parent.trash(ada),
        lambda row, ada: Member.objects.filter(pk=ada.pk).update(is_superuser=False),
    ],
    ids=["star", "name", "colour", "choice", "parent", "role"],
)
def test_a_cached_card_does_not_outlive_a_change(change):
    ada, ben = an_admin("ada"), a_member("ben", avatar_hue=1)
    parent = a_generation(ben, state="completed", archive="saved")
    row = a_generation(ben, state="completed", archive="saved", parent=parent, action="extend")
    before = both(row, ada)
    change(row, ada)
    fresh, cached = both(row, Member.objects.get(pk=ada.pk))
    assert cached == fresh
    assert cached not in before


def test_the_reason_for_waiting_is_always_current(ada):
    a_token()
    row = a_generation(ada, state="queued")
    before = both(row, ada)
    ApiToken.objects.update(enabled=False)
    fresh, cached = both(row, ada)
    assert cached == fresh
    assert cached not in before


def test_each_visitor_gets_their_own_csrf_token(client, ada):
    a_generation(ada, state="completed", archive="saved")
    tokens = []
    for name in ("ben", "cleo"):
        client.force_login(a_member(name))
        page = client.get("/").content.decode()
        forms = re.findall(r'action="/generations/[^"]+/star/".*?csrfmiddlewaretoken" value="([^"]+)"', page, re.DOTALL)
        assert len(forms) == 1
        tokens.append(forms[0])
    assert tokens[0] != tokens[1]


def filters_of(html: str) -> str:
    """Return the collections and the filters below them, which are cached together."""
    return re.search(r'<nav class="collections-strip".*?</nav>\s*<nav class="filters".*?</nav>', html, re.DOTALL)[0]


@pytest.mark.parametrize("query", ["", "q=heron&state=ready", "since=2026-01-01&member=ada", "since=yesterday%22%3E"])
def test_the_cached_filters_equal_the_rendered_filters(client, ada, query):
    client.force_login(ada)
    a_generation(ada)

    def fresh() -> str:
        caches["cards"].clear()
        return filters_of(client.get(f"/?{query}").content.decode())

    first = fresh()
    assert filters_of(client.get(f"/?{query}").content.decode()) == first
    # A change of anything they name shows at once.
    a_member("zoe")
    Collection.objects.create(name="Teaser <3", created_by=ada)
    cached = filters_of(client.get(f"/?{query}").content.decode())
    assert ">zoe<" in cached and "Teaser &lt;3" in cached
    assert cached == fresh()
    client.force_login(Member.objects.get(username="zoe"))
    assert filters_of(client.get(f"/?{query}").content.decode()) == fresh()


def test_the_first_page_ignores_the_target_of_the_request(client, ada):
    client.force_login(ada)
    a_generation(ada)
    page = client.get("/", headers={"HX-Target": "older"})
    assert page.status_code == 200
    assert filters_of(page.content.decode())
